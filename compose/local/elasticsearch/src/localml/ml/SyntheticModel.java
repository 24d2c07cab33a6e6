package localml.ml;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Supplier;

/**
 * A model without a process: it waits {@code base_ms + ms_per_token * tokens * jitter} and answers with the words of
 * the text. One timer thread plays any number of allocations; the jitter is a function of the text, so that a run can
 * be repeated.
 *
 * <p>The defaults give 350 ms for 256 tokens, the 2.8 documents a second and allocation of Elastic's ELSER v2 chart.
 */
final class SyntheticModel implements Evaluator {
    /** ELSER looks at the first 512 tokens of an input (ml-nlp-limitations in Elastic's documentation). */
    static final int MAX_TOKENS = 512;

    /** Service time in milliseconds; {@code sigma} is that of the log-normal jitter of the part per token. */
    public record Parameters(double baseMs, double msPerToken, double sigma) {
        static final Parameters DEFAULT = new Parameters(30, 1.25, 0.1);

        public Parameters {
            if (baseMs < 0 || msPerToken < 0 || sigma < 0) {
                throw new IllegalArgumentException("base_ms, ms_per_token and sigma can't be negative");
            }
        }

        /** By the names that the API gives them. */
        Map<String, Object> toMap() {
            Map<String, Object> map = new LinkedHashMap<>();
            map.put("base_ms", baseMs);
            map.put("ms_per_token", msPerToken);
            map.put("sigma", sigma);
            return map;
        }

        /** The same with some of them changed; what it does not know is an IllegalArgumentException. */
        Parameters with(Map<String, Object> changes) {
            Map<String, Object> merged = Changes.merge(toMap(), changes);
            return new Parameters(number(merged, "base_ms"), number(merged, "ms_per_token"), number(merged, "sigma"));
        }

        private static double number(Map<String, Object> map, String key) {
            return ((Number) map.get(key)).doubleValue();
        }

        double timeMs(String text, int tokens) {
            return baseMs + msPerToken * tokens * Math.exp(sigma * gaussian(new SplittableRandom(hash(text))));
        }

        /** Box and Muller: unlike SplittableRandom#nextGaussian it is the same in every JDK and easily repeated elsewhere. */
        private static double gaussian(SplittableRandom random) {
            double first = random.nextDouble();
            double second = random.nextDouble();
            return Math.sqrt(-2 * Math.log(1 - first)) * Math.cos(2 * Math.PI * second);
        }

        /** FNV-1a over 64 bits: unlike String#hashCode it differs for nearly all texts. */
        private static long hash(String text) {
            long hash = 0xcbf29ce484222325L;
            for (int i = 0; i < text.length(); i++) {
                hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
            }
            return hash;
        }
    }

    private final ScheduledExecutorService timer;
    private final Supplier<Parameters> parameters;

    private SyntheticModel(ScheduledExecutorService timer, Supplier<Parameters> parameters) {
        this.timer = timer;
        this.parameters = parameters;
    }

    static SyntheticModel start(ScheduledExecutorService timer, Supplier<Parameters> parameters, Events events) {
        SyntheticModel model = new SyntheticModel(timer, parameters);
        timer.execute(() -> events.ready(model));
        return model;
    }

    @Override
    public int depth() {
        return 1;
    }

    @Override
    public void evaluate(String text, Consumer<Evaluation> done) {
        String[] words = text.strip().split("\\s+");
        int tokens = Math.min(words.length, MAX_TOKENS);
        double timeMs = parameters.get().timeMs(text, tokens);
        Evaluation evaluation = new Evaluation(weights(words, tokens), words.length > MAX_TOKENS, timeMs, null);
        timer.schedule(() -> done.accept(evaluation), Math.round(timeMs * 1000), TimeUnit.MICROSECONDS);
    }

    /** Each distinct word in lower case weighs 1 + ln(count); a dot, which no feature may hold, becomes two underscores. */
    private static Map<String, Float> weights(String[] words, int tokens) {
        Map<String, Integer> counts = new TreeMap<>();
        for (int i = 0; i < tokens; i++) {
            String token = words[i].toLowerCase(Locale.ROOT).replace(".", "__");
            if (token.isEmpty() == false) {
                counts.merge(token, 1, Integer::sum);
            }
        }
        Map<String, Float> weights = new TreeMap<>();
        counts.forEach((token, count) -> weights.put(token, (float) (1 + Math.log(count))));
        return weights;
    }

    @Override
    public boolean crash() {
        return false;
    }

    @Override
    public void close() {}
}
