package localml.ml;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;

/**
 * The queue in front of a deployment's allocations: high priority before normal, first in first out inside a class.
 *
 * <p>The capacity bounds both classes together, so a search is refused too when ingest has filled the queue
 * (Elasticsearch's PriorityProcessWorkerExecutorService). Not thread-safe: {@link ProcessContext} guards it.
 */
final class InferenceQueue {
    private final ArrayDeque<InferenceRequest> high = new ArrayDeque<>();
    private final ArrayDeque<InferenceRequest> normal = new ArrayDeque<>();
    private final int capacity;

    InferenceQueue(int capacity) {
        this.capacity = capacity;
    }

    boolean offer(InferenceRequest request) {
        if (size() >= capacity) {
            return false;
        }
        (request.origin.isHighPriority() ? high : normal).add(request);
        return true;
    }

    /** The next one, or null; who timed out in the queue is skipped, not computed (AbstractPyTorchAction#doRun). */
    InferenceRequest poll() {
        InferenceRequest first = take();
        while (first != null && first.isNotified()) {
            first = take();
        }
        return first;
    }

    private InferenceRequest take() {
        InferenceRequest first = high.poll();
        return first != null ? first : normal.poll();
    }

    int size() {
        return high.size() + normal.size();
    }

    List<InferenceRequest> drain() {
        List<InferenceRequest> all = new ArrayList<>(high);
        all.addAll(normal);
        high.clear();
        normal.clear();
        return all;
    }
}
