package localml.ml;

import java.util.Scanner;
import org.elasticsearch.xpack.core.ml.inference.assignment.AdaptiveAllocationsSettings;

/**
 * Answers from the arithmetic of the local ML node, which has no clock and no server in it: one question a line.
 *
 * <pre>
 * scaler ZERO_AFTER_S LEAST MOST                a new scaler, - for no limit; no answer
 * tick REQUESTS INFERENCE_S INTERVAL_S COUNT    so many allocations are wanted where there are COUNT
 * wake                                          a request came without an allocation; no answer
 * time BASE_MS MS_PER_TOKEN SIGMA TOKENS TEXT   so many milliseconds does the synthetic model take
 * </pre>
 */
public final class Arithmetic {
    private AllocationScaler scaler;
    private AdaptiveAllocationsSettings limits;

    private Arithmetic() {}

    public static void main(String[] args) {
        Arithmetic arithmetic = new Arithmetic();
        try (Scanner lines = new Scanner(System.in)) {
            while (lines.hasNextLine()) {
                String answer = arithmetic.answer(lines.nextLine().split(" ", 6));
                if (answer != null) {
                    System.out.println(answer);
                }
            }
        }
    }

    private String answer(String[] words) {
        switch (words[0]) {
            case "scaler" -> {
                scaler = new AllocationScaler(Double.parseDouble(words[1]));
                limits = new AdaptiveAllocationsSettings(true, limit(words[2]), limit(words[3]));
            }
            case "wake" -> scaler.wake();
            case "tick" -> {
                long requests = Long.parseLong(words[1]);
                var tick = new AllocationScaler.Tick(requests, Double.parseDouble(words[2]), Double.parseDouble(words[3]));
                return Integer.toString(scaler.decide(tick, Integer.parseInt(words[4]), limits));
            }
            case "time" -> {
                var parameters = new SyntheticModel.Parameters(
                    Double.parseDouble(words[1]), Double.parseDouble(words[2]), Double.parseDouble(words[3])
                );
                return Double.toString(parameters.timeMs(words[5], Integer.parseInt(words[4])));
            }
            default -> throw new IllegalArgumentException("no such question: " + words[0]);
        }
        return null;
    }

    private static Integer limit(String word) {
        return word.equals("-") ? null : Integer.valueOf(word);
    }
}
