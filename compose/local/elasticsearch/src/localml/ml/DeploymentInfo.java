package localml.ml;

import java.util.Map;
import java.util.TreeMap;
import org.elasticsearch.cluster.node.DiscoveryNode;
import org.elasticsearch.xpack.core.ml.inference.assignment.AssignmentState;
import org.elasticsearch.xpack.core.ml.inference.assignment.AssignmentStats;
import org.elasticsearch.xpack.core.ml.inference.assignment.TrainedModelAssignment;

/** What can be told of a deployment, mostly in x-pack-core's own classes, which know when to print what. */
public final class DeploymentInfo {
    private DeploymentInfo() {}

    /** The assignment; {@code local} is the server itself. */
    public static TrainedModelAssignment assignment(Deployment deployment, DiscoveryNode local) {
        DeploymentParams params = deployment.params();
        var assignment = TrainedModelAssignment.Builder.empty(params.taskParams(Models.bytes(params.modelId())), params.adaptive())
            .setStartTime(deployment.startTime)
            .setMaxAssignedAllocations(params.allocations())
            .setAssignmentState(deployment.assignmentState())
            .setReason(deployment.reason());
        deployment.known().forEach(
            route -> assignment.addRoutingEntry(MlNodes.describe(local, route.node).getId(), route.info())
        );
        return assignment.build();
    }

    /** The statistics; {@code local} is the server itself. */
    public static AssignmentStats stats(Deployment deployment, DiscoveryNode local) {
        DeploymentParams params = deployment.params();
        AssignmentStats stats = new AssignmentStats(
            params.deploymentId(),
            params.modelId(),
            params.threadsPerAllocation(),
            params.allocations(),
            params.adaptive(),
            params.queueCapacity(),
            params.cacheSize(),
            deployment.startTime,
            deployment.known().stream().map(route -> route.stats(MlNodes.describe(local, route.node))).toList(),
            params.priority()
        );
        TrainedModelAssignment assignment = assignment(deployment, local);
        stats.setState(assignment.getAssignmentState()).setReason(assignment.getReason().orElse(null));
        if (assignment.getAssignmentState().isAnyOf(AssignmentState.STARTED, AssignmentState.STARTING)) {
            assignment.calculateAllocationStatus().ifPresent(stats::setAllocationStatus);
        }
        return stats;
    }

    /** What each started node has done, by its number. */
    public static Map<String, Object> work(Deployment deployment) {
        Map<String, Object> found = new TreeMap<>();
        deployment.known().stream().filter(Route::isRoutable).forEach(
            route -> found.put(Integer.toString(route.node), route.work())
        );
        return found;
    }
}
