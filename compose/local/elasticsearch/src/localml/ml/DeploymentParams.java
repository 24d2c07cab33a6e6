package localml.ml;

import org.elasticsearch.common.unit.ByteSizeValue;
import org.elasticsearch.xpack.core.ml.action.StartTrainedModelDeploymentAction;
import org.elasticsearch.xpack.core.ml.inference.assignment.Priority;

/** With what a deployment was started; all but the number of allocations stays until it is stopped. */
public record DeploymentParams(
    String modelId,
    String deploymentId,
    int allocations,
    int threadsPerAllocation,
    int queueCapacity,
    ByteSizeValue cacheSize,
    Priority priority
) {
    DeploymentParams withAllocations(int count) {
        return new DeploymentParams(
            modelId, deploymentId, count, threadsPerAllocation, queueCapacity, cacheSize, priority
        );
    }

    /** The same as x-pack-core's own class, for its printed forms. */
    StartTrainedModelDeploymentAction.TaskParams taskParams(long modelBytes) {
        return new StartTrainedModelDeploymentAction.TaskParams(
            modelId, deploymentId, modelBytes, allocations, threadsPerAllocation, queueCapacity, cacheSize, priority, 0, 0
        );
    }
}
