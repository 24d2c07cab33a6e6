package localml.ml;

import java.time.Instant;
import java.util.LongSummaryStatistics;
import java.util.function.LongSupplier;

/**
 * Counters of the results of one process context; gone with it.
 *
 * <p>As in Elasticsearch (PyTorchResultProcessor): times are the model's own whole milliseconds; cache hits count as
 * inferences, with the time of the look-up; the last minute is the previous complete 60 s window, windows being
 * aligned to the start of the process; the peak is the largest complete window.
 */
final class ResultStats {
    private static final long WINDOW_MS = 60_000;

    /** A copy of the counters; {@code lastMinuteAverage} is null when the window was idle. */
    record Snapshot(
        LongSummaryStatistics times,
        LongSummaryStatistics timesWithoutCacheHits,
        long cacheHits,
        int errors,
        Instant lastAccess,
        long peak,
        long lastMinute,
        Double lastMinuteAverage,
        long lastMinuteCacheHits
    ) {}

    private static final class Window {
        final LongSummaryStatistics times = new LongSummaryStatistics();
        long cacheHits;
    }

    private final LongSupplier clockMs;
    private final long startMs;
    private final LongSummaryStatistics times = new LongSummaryStatistics();
    private final LongSummaryStatistics timesWithoutCacheHits = new LongSummaryStatistics();
    private double workedMs;
    private long cacheHits;
    private int errors;
    private long lastResultMs;
    private long peak;
    private long windowNumber;
    private Window previous = new Window();
    private Window current = new Window();

    ResultStats(LongSupplier clockMs) {
        this.clockMs = clockMs;
        this.startMs = clockMs.getAsLong();
    }

    synchronized void success(double timeMs, boolean cacheHit) {
        lastResultMs = clockMs.getAsLong();
        roll(lastResultMs);
        workedMs += timeMs;
        long time = Math.round(timeMs);
        times.accept(time);
        current.times.accept(time);
        if (cacheHit) {
            cacheHits++;
            current.cacheHits++;
        } else {
            timesWithoutCacheHits.accept(time);
        }
    }

    synchronized void error() {
        errors++;
    }

    /** The model's own time in all inferences, not rounded. */
    synchronized double workedMs() {
        return workedMs;
    }

    synchronized Snapshot snapshot() {
        roll(clockMs.getAsLong());
        return new Snapshot(
            copy(times),
            copy(timesWithoutCacheHits),
            cacheHits,
            errors,
            lastResultMs > 0 ? Instant.ofEpochMilli(lastResultMs) : null,
            peak,
            previous.times.getCount(),
            previous.times.getCount() > 0 ? previous.times.getAverage() : null,
            previous.cacheHits
        );
    }

    private void roll(long nowMs) {
        long number = (nowMs - startMs) / WINDOW_MS;
        if (number == windowNumber) {
            return;
        }
        peak = Math.max(peak, current.times.getCount());
        previous = number == windowNumber + 1 ? current : new Window();
        current = new Window();
        windowNumber = number;
    }

    private static LongSummaryStatistics copy(LongSummaryStatistics statistics) {
        return new LongSummaryStatistics(
            statistics.getCount(), statistics.getMin(), statistics.getMax(), statistics.getSum()
        );
    }
}
