package localml.ml;

import java.util.Map;

/**
 * What a model made of one text.
 *
 * @param tokens weights by token; null when {@code error} is set
 * @param truncated whether the model saw only the beginning of the text
 * @param timeMs the model's own time, in milliseconds, without any wait
 * @param error the model's message when it could not evaluate the text, else null
 */
public record Evaluation(Map<String, Float> tokens, boolean truncated, double timeMs, String error) {
    Evaluation slowedTo(double milliseconds) {
        return new Evaluation(tokens, truncated, milliseconds, error);
    }
}
