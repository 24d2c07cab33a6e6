package localml.ml;

import java.util.function.Consumer;

/** One allocation: evaluates one text at a time, in the order in which it gets them. */
public interface Evaluator {
    /** How many texts it may have before it: the one that it evaluates and those that it holds ready. */
    int depth();

    /** Starts to evaluate; {@code done} is called once, from any thread, unless the evaluator dies or is closed first. */
    void evaluate(String text, Consumer<Evaluation> done);

    /** Ends the evaluator and waits for its end. Does not count as a death. */
    void close();

    /** Ends the evaluator as an accident would; false when nothing can die. */
    boolean crash();

    /** What an evaluator tells its deployment. */
    interface Events {
        void ready(Evaluator evaluator);

        void died(Evaluator evaluator, String reason);
    }

    /** Starts evaluators; {@link Events#ready} or {@link Events#died} follows. */
    interface Factory {
        Evaluator start(Events events);
    }
}
