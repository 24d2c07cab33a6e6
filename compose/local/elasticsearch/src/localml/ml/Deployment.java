package localml.ml;

import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.action.support.SubscribableListener;
import org.elasticsearch.cluster.node.DiscoveryNode;
import org.elasticsearch.common.util.concurrent.EsRejectedExecutionException;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xpack.core.ml.inference.assignment.AllocationStatus;
import org.elasticsearch.xpack.core.ml.inference.assignment.AssignmentState;
import org.elasticsearch.xpack.core.ml.inference.assignment.AssignmentStats;
import org.elasticsearch.xpack.core.ml.inference.assignment.RoutingInfo;
import org.elasticsearch.xpack.core.ml.inference.assignment.RoutingState;
import org.elasticsearch.xpack.core.ml.inference.assignment.TrainedModelAssignment;

/**
 * A started model: its assignment to this node and the process context that serves it.
 *
 * <p>A lost process is started again up to three times in 24 hours, then the assignment is failed
 * (ProcessContext#onProcessCrashHandleRestarts in Elasticsearch's ML plugin).
 */
public final class Deployment implements ProcessContext.Owner {
    private static final Logger LOGGER = LogManager.getLogger(Deployment.class);
    private static final int RESTARTS = 3;
    private static final Duration RESTART_PERIOD = Duration.ofDays(1);

    private final Instant startTime = Instant.now();
    private final ProcessContext.Environment environment;
    private final SubscribableListener<Void> started = new SubscribableListener<>();
    private volatile DeploymentParams params;
    private volatile RoutingState state = RoutingState.STARTING;
    private volatile String reason;
    private volatile ProcessContext context;
    private int starts = 1;

    Deployment(DeploymentParams params, ProcessContext.Environment environment) {
        this.params = params;
        this.environment = environment;
    }

    public DeploymentParams params() {
        return params;
    }

    /** Completes when the first allocations are ready, or with the reason why they never will be. */
    public SubscribableListener<Void> started() {
        return started;
    }

    AssignmentState assignmentState() {
        return switch (state) {
            case STARTING -> AssignmentState.STARTING;
            case STARTED -> AssignmentState.STARTED;
            case STOPPING, STOPPED -> AssignmentState.STOPPING;
            case FAILED -> AssignmentState.FAILED;
        };
    }

    synchronized void start() {
        ProcessContext next = new ProcessContext(params, environment, this);
        context = next;
        try {
            next.scaleTo(params.allocations());
        } catch (UncheckedIOException e) {
            fail(e.getMessage(), e);
        }
    }

    /** Starts or retires allocations; the queue and the counters stay. */
    synchronized void scaleTo(int allocations) {
        params = params.withAllocations(allocations);
        context.scaleTo(allocations);
    }

    synchronized void stop() {
        state = RoutingState.STOPPING;
        context.close(ProcessContext.STOPPING, new EsRejectedExecutionException(ProcessContext.SHUT_DOWN, true));
        started.onFailure(conflict("[" + params.deploymentId() + "] was stopped before it had started"));
    }

    void infer(InferenceRequest request) {
        ElasticsearchStatusException refusal = refusal();
        if (refusal != null) {
            request.fail(refusal);
        } else {
            context.submit(request);
        }
    }

    private ElasticsearchStatusException refusal() {
        String id = params.deploymentId();
        if (environment.faults().isLost(id)) {
            return new ElasticsearchStatusException(
                "Unable to find model deployment task [" + id + "] please stop and start the deployment or try again momentarily",
                RestStatus.NOT_FOUND
            );
        }
        return switch (state) {
            case STOPPING, STOPPED, FAILED -> conflict("Trained model [" + id + "] is [" + assignmentState() + "]");
            case STARTING -> conflict("Trained model deployment [" + id + "] is not allocated to any nodes");
            case STARTED -> null;
        };
    }

    private static ElasticsearchStatusException conflict(String message) {
        return new ElasticsearchStatusException(message, RestStatus.CONFLICT);
    }

    /** Looks at the queue again, after what held it back has gone. */
    void dispatch() {
        context.dispatch();
    }

    /** Kills one of its processes; false when it has none. */
    public boolean crashOne() {
        return context.crashOne();
    }

    @Override
    public void processStarted() {
        state = RoutingState.STARTED;
        started.onResponse(null);
    }

    @Override
    public synchronized void processCrashed(ProcessContext lost, String why) {
        if (lost != context || state == RoutingState.STOPPING) {
            return;
        }
        LOGGER.error("[{}] inference process crashed due to reason [{}]", params.deploymentId(), why);
        if (lost.startTime.isBefore(Instant.now().minus(RESTART_PERIOD))) {
            starts = 1;
        }
        if (state == RoutingState.STARTING || starts > RESTARTS) {
            fail("inference process crashed due to reason [" + why + "]", new IllegalStateException(why));
            return;
        }
        starts++;
        start();
        String error = "inference native process died unexpectedly with failure [" + why + "]";
        lost.close(error, new EsRejectedExecutionException(ProcessContext.SHUT_DOWN, true));
    }

    private void fail(String why, Exception cause) {
        reason = why;
        state = RoutingState.FAILED;
        context.close("inference native process died unexpectedly with failure [" + cause.getMessage() + "]", cause);
        started.onFailure(new ElasticsearchStatusException(
            "Could not start trained model deployment, the following nodes failed with errors [" + why + "]",
            RestStatus.INTERNAL_SERVER_ERROR
        ));
    }

    /** The assignment in x-pack-core's own class, which prints it. */
    public TrainedModelAssignment assignment(DiscoveryNode node) {
        RoutingInfo route = new RoutingInfo(context.allocations(), params.allocations(), state, reason);
        return TrainedModelAssignment.Builder.empty(params.taskParams(Models.bytes(params.modelId())), null)
            .setStartTime(startTime)
            .setMaxAssignedAllocations(params.allocations())
            .addRoutingEntry(node.getId(), route)
            .setAssignmentState(assignmentState())
            .setReason(reason)
            .build();
    }

    /** Whether the deployment has come as far as {@code wait_for} asks; here there is one node, with all allocations. */
    public AllocationStatus allocationStatus() {
        return new AllocationStatus(state == RoutingState.STARTED ? 1 : 0, 1);
    }

    /** The statistics in x-pack-core's own class, which knows when to print what. */
    public AssignmentStats stats(DiscoveryNode node) {
        AssignmentStats stats = new AssignmentStats(
            params.deploymentId(),
            params.modelId(),
            params.threadsPerAllocation(),
            params.allocations(),
            null,
            params.queueCapacity(),
            params.cacheSize(),
            startTime,
            List.of(nodeStats(node)),
            params.priority()
        );
        stats.setState(assignmentState()).setReason(reason);
        if (state == RoutingState.STARTED || state == RoutingState.STARTING) {
            stats.setAllocationStatus(allocationStatus());
        }
        return stats;
    }

    private AssignmentStats.NodeStats nodeStats(DiscoveryNode node) {
        if (state != RoutingState.STARTED) {
            return AssignmentStats.NodeStats.forNotStartedState(node, state, reason);
        }
        ProcessContext serving = context;
        ResultStats.Snapshot results = serving.stats.snapshot();
        return AssignmentStats.NodeStats.forStartedState(
            node,
            results.times().getCount(),
            results.times().getAverage(),
            results.timesWithoutCacheHits().getAverage(),
            serving.pending(),
            results.errors(),
            results.cacheHits(),
            serving.rejected.get(),
            serving.timeouts.get(),
            results.lastAccess(),
            serving.startTime,
            params.threadsPerAllocation(),
            serving.allocations(),
            results.peak(),
            results.lastMinute(),
            results.lastMinuteAverage(),
            results.lastMinuteCacheHits()
        );
    }
}
