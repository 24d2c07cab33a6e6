package localml.ml;

/**
 * The estimate of a quantity from noisy measurements: a Kalman filter in one dimension whose memory is about the last
 * hundred measurements, and which forgets when the quantity has changed (KalmanFilter1d in Elasticsearch's ML plugin).
 */
final class Estimator {
    private static final double MEMORY = 100;
    /** Ten standard deviations off, squared. */
    private static final double UNLIKELY = 100;

    private final boolean detectsChanges;
    private double value = Double.NaN;
    private double variance;
    private boolean changedBefore;

    /** {@code detectsChanges}: whether a very unlikely measurement means that the quantity has changed. */
    Estimator(boolean detectsChanges) {
        this.detectsChanges = detectsChanges;
    }

    boolean hasValue() {
        return Double.isNaN(value) == false;
    }

    /** The estimate, or {@code otherwise} before the first measurement. */
    double valueOr(double otherwise) {
        return hasValue() ? value : otherwise;
    }

    /** One standard error below the estimate. */
    double lower() {
        return value - Math.sqrt(variance);
    }

    /** One standard error above the estimate. */
    double upper() {
        return value + Math.sqrt(variance);
    }

    void add(double measured, double itsVariance, boolean knownToHaveChanged) {
        boolean changed = true;
        if (hasValue()) {
            changed = knownToHaveChanged || (detectsChanges && isUnlikely(measured, itsVariance));
            double drift = changed || changedBefore ? measured * measured : itsVariance / MEMORY;
            double gain = (variance + drift) / (variance + drift + itsVariance);
            value += gain * (measured - value);
            variance = (1 - gain) * (variance + drift);
        } else {
            value = measured;
            variance = itsVariance;
        }
        changedBefore = changed;
    }

    private boolean isUnlikely(double measured, double itsVariance) {
        double distance = measured - value;
        return distance * distance / (itsVariance + variance) > UNLIKELY;
    }
}
