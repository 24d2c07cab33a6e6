package localml.ml;

import java.util.ArrayList;
import java.util.List;

/** How long the last requests have waited in the queue of one process context; gone with it. */
final class Waits {
    private static final int KEPT = 10_000;

    private final long[] nanos = new long[KEPT];
    private long taken;

    synchronized void add(long waitedNanos) {
        nanos[(int) (taken++ % KEPT)] = waitedNanos;
    }

    /** How many requests were taken from the queue. */
    synchronized long taken() {
        return taken;
    }

    /** The last ones in the order in which they were taken, in milliseconds. */
    synchronized List<Double> lastMs() {
        List<Double> found = new ArrayList<>();
        for (long i = Math.max(0, taken - KEPT); i < taken; i++) {
            found.add(nanos[(int) (i % KEPT)] / 1e6);
        }
        return found;
    }
}
