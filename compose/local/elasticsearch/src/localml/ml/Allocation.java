package localml.ml;

/** A running evaluator and what it has before it; guarded by its {@link ProcessContext}. */
final class Allocation {
    final Evaluator evaluator;
    private int load;
    private boolean retiring;
    private long busyUntilNanos = System.nanoTime();

    Allocation(Evaluator evaluator) {
        this.evaluator = evaluator;
    }

    int load() {
        return load;
    }

    boolean isIdle() {
        return load == 0;
    }

    boolean isRetiring() {
        return retiring;
    }

    boolean takesMore() {
        return retiring == false && load < evaluator.depth();
    }

    void take() {
        load++;
    }

    void release() {
        load--;
    }

    /** Takes nothing more; goes when it has finished. */
    void retire() {
        retiring = true;
    }

    /**
     * How long to hold back a result that has just come, in nanoseconds, so that its inference takes {@code slowedMs}
     * instead of {@code timeMs}. What was written ahead begins when the one before is over.
     */
    long holdBack(double timeMs, double slowedMs) {
        long now = System.nanoTime();
        long fromNow = now + nanos(slowedMs - timeMs);
        long afterTheOneBefore = busyUntilNanos + nanos(slowedMs);
        busyUntilNanos = fromNow - afterTheOneBefore > 0 ? fromNow : afterTheOneBefore;
        return busyUntilNanos - now;
    }

    private static long nanos(double milliseconds) {
        return Math.round(milliseconds * 1e6);
    }
}
