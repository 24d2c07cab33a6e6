package localml.ml;

import org.elasticsearch.xpack.core.ml.inference.assignment.AdaptiveAllocationsSettings;

/**
 * How many allocations a deployment needs, from what was measured at every tick (AdaptiveAllocationsScaler in
 * Elasticsearch's ML plugin): the load is the rate of requests times the time of an inference, and is kept between 85 %
 * and 90 % of the allocations, with a standard error as the margin on both sides.
 */
final class AllocationScaler {
    private static final double SCALE_UP_ABOVE = 0.9;
    private static final double SCALE_DOWN_BELOW = 0.85;
    /** When no maximum is set. */
    private static final int SAFEGUARD = 32;

    /**
     * What happened since the last tick.
     *
     * @param requests inferences done, and how many more have failed, were refused or wait than before
     * @param inferenceS the average time of an inference, NaN when there was none
     * @param intervalS how long it took
     */
    record Tick(long requests, double inferenceS, double intervalS) {}

    private final double scaleToZeroAfterS;
    private final Estimator rate = new Estimator(true);
    private final Estimator inference = new Estimator(false);
    private double idleS;
    private boolean changed;

    AllocationScaler(double scaleToZeroAfterS) {
        this.scaleToZeroAfterS = scaleToZeroAfterS;
    }

    /** Forgets how long there were no requests. */
    void wake() {
        idleS = 0;
    }

    /** The number of allocations to have, after so long with {@code allocations} of them. */
    int decide(Tick tick, int allocations, AdaptiveAllocationsSettings limits) {
        learn(tick);
        int wanted = within(limits, forLoad(allocations));
        Integer least = limits.getMinNumberOfAllocations();
        if ((least == null || least == 0) && idleS > scaleToZeroAfterS) {
            wanted = 0;
        }
        changed = wanted != allocations;
        return wanted;
    }

    private void learn(Tick tick) {
        idleS = tick.requests() > 0 ? 0 : idleS + tick.intervalS();
        // Requests are taken for a Poisson process: the variance of a count is its mean. The estimate gives the
        // variance, because a measured one would be biased.
        double measuredRate = tick.requests() / tick.intervalS();
        double expected = Math.max(1, rate.valueOr(measuredRate) * tick.intervalS());
        rate.add(measuredRate, expected / (tick.intervalS() * tick.intervalS()), false);
        if (tick.requests() > 0 && Double.isNaN(tick.inferenceS()) == false) {
            double typical = inference.valueOr(tick.inferenceS());
            inference.add(tick.inferenceS(), typical * typical / tick.requests(), changed);
        }
    }

    private int forLoad(int allocations) {
        int wanted = allocations;
        double least = Math.max(0, rate.lower()) * (inference.hasValue() ? Math.max(0, inference.lower()) : 1);
        double most = rate.upper() * (inference.hasValue() ? inference.upper() : 1);
        while (least / wanted > SCALE_UP_ABOVE) {
            wanted++;
        }
        while (wanted > 1 && most / (wanted - 1) < SCALE_DOWN_BELOW) {
            wanted--;
        }
        return wanted;
    }

    private static int within(AdaptiveAllocationsSettings limits, int allocations) {
        Integer least = limits.getMinNumberOfAllocations();
        Integer most = limits.getMaxNumberOfAllocations();
        int bounded = least == null ? allocations : Math.max(least, allocations);
        return Math.min(bounded, most == null ? SAFEGUARD : most);
    }
}
