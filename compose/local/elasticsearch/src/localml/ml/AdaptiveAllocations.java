package localml.ml;

import java.util.HashMap;
import java.util.Map;
import org.elasticsearch.xpack.core.ml.inference.assignment.AdaptiveAllocationsSettings;

/**
 * Measures a deployment at every tick and says how many allocations it is to have
 * (AdaptiveAllocationsScalerService in Elasticsearch's ML plugin). Not thread-safe: ticks come one after the other.
 */
final class AdaptiveAllocations {
    /** The counters of one node; {@code inferenceS} is the sum of the times of all inferences. */
    record Counters(long successes, long pending, long failures, double inferenceS) {
        private static final Counters NONE = new Counters(0, 0, 0, 0);

        /** What came since; counters that have begun again count as nothing. */
        Counters since(Counters before) {
            return new Counters(
                Math.max(0, successes - before.successes),
                Math.max(0, pending - before.pending),
                Math.max(0, failures - before.failures),
                inferenceS - before.inferenceS
            );
        }

        Counters plus(Counters other) {
            return new Counters(
                successes + other.successes, pending + other.pending, failures + other.failures, inferenceS + other.inferenceS
            );
        }

        long requests() {
            return successes + pending + failures;
        }

        double averageS() {
            return successes > 0 ? inferenceS / successes : Double.NaN;
        }
    }

    private final DeploymentOptions options;
    private final AllocationScaler scaler;
    private final Map<Integer, Counters> last = new HashMap<>();
    private long lastTickNanos;
    private long lastScaleUpNanos;
    private boolean hasTicked;
    private boolean hasScaledUp;

    AdaptiveAllocations(DeploymentOptions options) {
        this.options = options;
        this.scaler = new AllocationScaler(options.scaleToZeroMs() / 1000.0);
    }

    /** A request has come for a deployment without allocations. */
    void wake() {
        scaler.wake();
    }

    /** The number of allocations to have; the first tick of a node only begins its measurement. */
    int tick(Map<Integer, Counters> nodes, int allocations, AdaptiveAllocationsSettings limits) {
        long now = System.nanoTime();
        double intervalS = (now - lastTickNanos) / 1e9;
        Counters sum = Counters.NONE;
        boolean measured = false;
        for (Map.Entry<Integer, Counters> node : nodes.entrySet()) {
            Counters before = last.put(node.getKey(), node.getValue());
            if (before != null) {
                sum = sum.plus(node.getValue().since(before));
                measured = hasTicked;
            }
        }
        lastTickNanos = now;
        hasTicked = true;
        if (measured == false) {
            return allocations;
        }
        int wanted = scaler.decide(new AllocationScaler.Tick(sum.requests(), sum.averageS(), intervalS), allocations, limits);
        return cooled(wanted, allocations, now);
    }

    private int cooled(int wanted, int allocations, long now) {
        boolean recent = hasScaledUp && now - lastScaleUpNanos < options.scaleUpCooldownMs() * 1_000_000L;
        if (wanted < allocations && recent) {
            return allocations;
        }
        if (wanted > allocations) {
            hasScaledUp = true;
            lastScaleUpNanos = now;
        }
        return wanted;
    }
}
