package localml.ml;

import java.util.LinkedHashMap;
import java.util.Map;
import org.elasticsearch.common.unit.ByteSizeValue;
import org.elasticsearch.xpack.core.ml.action.StartTrainedModelDeploymentAction;
import org.elasticsearch.xpack.core.ml.inference.assignment.AdaptiveAllocationsSettings;
import org.elasticsearch.xpack.core.ml.inference.assignment.Priority;

/**
 * With what a deployment was started; all but its allocations stays until it is stopped.
 *
 * @param adaptive null when the number of allocations was given
 */
public record DeploymentParams(
    String modelId,
    String deploymentId,
    int allocations,
    int threadsPerAllocation,
    int queueCapacity,
    ByteSizeValue cacheSize,
    Priority priority,
    AdaptiveAllocationsSettings adaptive
) {
    boolean isAdaptive() {
        return adaptive != null && Boolean.TRUE.equals(adaptive.getEnabled());
    }

    /** Whether it may be without any allocation, and gets one with the first request. */
    boolean startsFromZero() {
        Integer least = isAdaptive() ? adaptive.getMinNumberOfAllocations() : Integer.valueOf(1);
        return least == null || least == 0;
    }

    DeploymentParams withAllocations(int count) {
        return with(count, adaptive);
    }

    DeploymentParams withAdaptive(AdaptiveAllocationsSettings settings) {
        return with(allocations, settings);
    }

    private DeploymentParams with(int count, AdaptiveAllocationsSettings settings) {
        return new DeploymentParams(
            modelId, deploymentId, count, threadsPerAllocation, queueCapacity, cacheSize, priority, settings
        );
    }

    /** As it is kept over a restart. */
    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("model_id", modelId);
        map.put("deployment_id", deploymentId);
        map.put("number_of_allocations", allocations);
        map.put("threads_per_allocation", threadsPerAllocation);
        map.put("queue_capacity", queueCapacity);
        map.put("cache_bytes", cacheSize.getBytes());
        map.put("priority", priority.toString());
        if (adaptive != null) {
            map.put("adaptive_allocations", Adaptive.toMap(adaptive));
        }
        return map;
    }

    static DeploymentParams fromMap(Map<String, Object> map) {
        return new DeploymentParams(
            (String) map.get("model_id"),
            (String) map.get("deployment_id"),
            (int) map.get("number_of_allocations"),
            (int) map.get("threads_per_allocation"),
            (int) map.get("queue_capacity"),
            ByteSizeValue.ofBytes(((Number) map.get("cache_bytes")).longValue()),
            Priority.fromString((String) map.get("priority")),
            Adaptive.fromMap(map.get("adaptive_allocations"))
        );
    }

    /** The same as x-pack-core's own class, for its printed forms. */
    StartTrainedModelDeploymentAction.TaskParams taskParams(long modelBytes) {
        return new StartTrainedModelDeploymentAction.TaskParams(
            modelId, deploymentId, modelBytes, allocations, threadsPerAllocation, queueCapacity, cacheSize, priority, 0, 0
        );
    }
}
