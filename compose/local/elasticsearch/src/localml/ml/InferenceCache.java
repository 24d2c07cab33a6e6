package localml.ml;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Results by text, bounded in bytes, least recently used out first: the native process's cache of
 * {@code cache_size}, which spares identical inputs the model but not the queue.
 */
final class InferenceCache {
    // A token is a few characters and a number in the native cache's JSON.
    private static final int BYTES_PER_TOKEN = 24;

    private final long capacityBytes;
    private final LinkedHashMap<String, Evaluation> entries = new LinkedHashMap<>(16, 0.75f, true);
    private long bytes;

    InferenceCache(long capacityBytes) {
        this.capacityBytes = capacityBytes;
    }

    synchronized Evaluation get(String text) {
        return capacityBytes == 0 ? null : entries.get(text);
    }

    synchronized void put(String text, Evaluation evaluation) {
        if (capacityBytes == 0 || entries.containsKey(text)) {
            return;
        }
        entries.put(text, evaluation);
        bytes += size(text, evaluation);
        var oldest = entries.entrySet().iterator();
        while (bytes > capacityBytes) {
            Map.Entry<String, Evaluation> entry = oldest.next();
            bytes -= size(entry.getKey(), entry.getValue());
            oldest.remove();
        }
    }

    private static long size(String text, Evaluation evaluation) {
        return 2L * text.length() + (long) BYTES_PER_TOKEN * evaluation.tokens().size();
    }
}
