package localml.ml;

import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.elasticsearch.cluster.node.DiscoveryNode;
import org.elasticsearch.common.util.concurrent.EsRejectedExecutionException;
import org.elasticsearch.xpack.core.ml.inference.assignment.AssignmentStats.NodeStats;
import org.elasticsearch.xpack.core.ml.inference.assignment.RoutingInfo;
import org.elasticsearch.xpack.core.ml.inference.assignment.RoutingState;

/**
 * A deployment on one ML node: its process context there, which is started again after a death up to three times in
 * 24 hours, then the route is failed (ProcessContext#onProcessCrashHandleRestarts in Elasticsearch's ML plugin).
 */
final class Route implements ProcessContext.Owner {
    private static final Logger LOGGER = LogManager.getLogger(Route.class);
    private static final int RESTARTS = 3;
    private static final Duration RESTART_PERIOD = Duration.ofDays(1);
    private static final String NODE_LOST = "the ML node was killed";

    /** The number of the node, from 1. */
    final int node;
    private final DeploymentParams params;
    private final ProcessContext.Environment environment;
    private final Runnable changed;
    private volatile RoutingState state = RoutingState.STARTING;
    private volatile String reason;
    private volatile ProcessContext context;
    private volatile boolean lost;
    private volatile int target;
    private int starts;

    /** {@code changed} runs after every change of the state, in any thread. */
    Route(int node, DeploymentParams params, ProcessContext.Environment environment, Runnable changed) {
        this.node = node;
        this.params = params;
        this.environment = environment;
        this.changed = changed;
    }

    RoutingState state() {
        return state;
    }

    String reason() {
        return reason;
    }

    /** Whether its node is gone; the cluster knows nothing of such a route. */
    boolean isLost() {
        return lost;
    }

    boolean isRoutable() {
        return state == RoutingState.STARTED;
    }

    boolean isClosed() {
        return lost || context.isClosed();
    }

    /** How many allocations it is to have. */
    int target() {
        return target;
    }

    /** Begins with so many allocations, unless its node is gone: then when that is back. */
    synchronized void start(int allocations) {
        target = allocations;
        state = RoutingState.STARTING;
        lost = environment.faults().isNodeDown(params.deploymentId(), node);
        starts = 1;
        if (lost == false) {
            launch();
        }
    }

    private void launch() {
        ProcessContext next = new ProcessContext(params, environment, this);
        context = next;
        try {
            next.scaleTo(target);
        } catch (UncheckedIOException e) {
            fail(e.getMessage(), e);
        }
    }

    /** Starts or retires allocations; the queue and the counters stay. */
    synchronized void scaleTo(int allocations) {
        target = allocations;
        if (lost == false) {
            context.scaleTo(allocations);
        }
    }

    synchronized void stop() {
        state = RoutingState.STOPPING;
        close(ProcessContext.STOPPING);
    }

    /** Ends when it has done what it was given (DeploymentManager#stopAfterCompletingPendingWork). */
    synchronized void leave() {
        state = RoutingState.STOPPING;
        if (lost == false) {
            context.drain();
        }
    }

    private void close(String inFlightError) {
        if (lost == false) {
            context.close(inFlightError, new EsRejectedExecutionException(ProcessContext.SHUT_DOWN, true));
        }
    }

    void submit(InferenceRequest request) {
        context.submit(request);
    }

    /** Looks at its node and its queue again. */
    void faultsChanged() {
        if (nodeChanged()) {
            changed.run();
        } else if (lost == false) {
            context.dispatch();
        }
    }

    /** Whether the node went or came back since the last look; a route that is leaving does not come back with it. */
    private synchronized boolean nodeChanged() {
        boolean down = environment.faults().isNodeDown(params.deploymentId(), node);
        boolean leaving = state == RoutingState.STOPPING;
        if (down == lost || (leaving && down == false)) {
            return false;
        }
        if (down) {
            state = leaving ? state : RoutingState.STOPPED;
            context.kill(died(NODE_LOST));
            lost = true;
        } else {
            start(target);
        }
        return true;
    }

    private static String died(String why) {
        return "inference native process died unexpectedly with failure [" + why + "]";
    }

    /** Kills one of its processes; false when it has none. */
    boolean crashOne() {
        return lost == false && context.crashOne();
    }

    @Override
    public void processStarted(ProcessContext ready) {
        synchronized (this) {
            if (ready != context || lost || state == RoutingState.STOPPING) {
                return;
            }
            state = RoutingState.STARTED;
        }
        changed.run();
    }

    @Override
    public void processCrashed(ProcessContext crashed, String why) {
        restartAfter(crashed, why);
        changed.run();
    }

    private synchronized void restartAfter(ProcessContext crashed, String why) {
        if (crashed != context || lost || state == RoutingState.STOPPING) {
            return;
        }
        LOGGER.error("[{}] inference process crashed due to reason [{}]", params.deploymentId(), why);
        if (crashed.startTime.isBefore(Instant.now().minus(RESTART_PERIOD))) {
            starts = 1;
        }
        if (state == RoutingState.STARTING || starts > RESTARTS) {
            fail("inference process crashed due to reason [" + why + "]", new IllegalStateException(why));
            return;
        }
        starts++;
        launch();
        crashed.close(died(why), new EsRejectedExecutionException(ProcessContext.SHUT_DOWN, true));
    }

    private void fail(String why, Exception cause) {
        reason = why;
        state = RoutingState.FAILED;
        context.close(died(cause.getMessage()), cause);
    }

    /** What adaptive allocations look at. */
    AdaptiveAllocations.Counters counters() {
        ProcessContext serving = context;
        ResultStats.Snapshot results = serving.stats.snapshot();
        long failures = results.errors() + serving.timeouts.get() + serving.rejected.get();
        return new AdaptiveAllocations.Counters(
            results.times().getCount(), serving.pending(), failures, results.times().getSum() / 1000.0
        );
    }

    /** What the API of the real node does not tell: the model's exact time, and how long requests wait in the queue. */
    Map<String, Object> work() {
        ProcessContext serving = context;
        return Map.of(
            "worked_ms", serving.stats.workedMs(), "taken", serving.waits.taken(), "last_waits_ms", serving.waits.lastMs()
        );
    }

    RoutingInfo info() {
        return new RoutingInfo(context.allocations(), target, state, reason);
    }

    NodeStats stats(DiscoveryNode described) {
        if (state != RoutingState.STARTED) {
            return NodeStats.forNotStartedState(described, state, reason);
        }
        ProcessContext serving = context;
        ResultStats.Snapshot results = serving.stats.snapshot();
        return NodeStats.forStartedState(
            described,
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
