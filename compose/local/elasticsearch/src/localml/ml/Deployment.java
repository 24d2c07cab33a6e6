package localml.ml;

import java.time.Instant;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.IntUnaryOperator;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.support.GroupedActionListener;
import org.elasticsearch.action.support.SubscribableListener;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.threadpool.Scheduler;
import org.elasticsearch.xpack.core.ml.inference.assignment.AdaptiveAllocationsSettings;
import org.elasticsearch.xpack.core.ml.inference.assignment.AssignmentState;
import org.elasticsearch.xpack.core.ml.inference.assignment.RoutingState;

/**
 * A started model: its allocations, spread over the ML nodes as evenly as possible, and the choice between the nodes.
 *
 * <p>Allocations stay where they are when a node is lost: what it had is missing until it is back.
 */
public final class Deployment {
    final Instant startTime = Instant.now();
    private final DeploymentOptions options;
    private final ProcessContext.Environment environment;
    private final SubscribableListener<Void> started = new SubscribableListener<>();
    private final Map<Integer, Route> routes = new ConcurrentSkipListMap<>();
    private final Set<Route> leaving = ConcurrentHashMap.newKeySet();
    private final AllocationWaiters waiters;
    private final Consumer<IntUnaryOperator> rescale;
    private volatile DeploymentParams params;
    private volatile AdaptiveAllocations adaptive;
    private volatile boolean stopping;
    private Scheduler.Cancellable ticks;

    /**
     * What a deployment needs from its node.
     *
     * @param waiting how many requests wait for allocations of all deployments
     * @param rescale changes the number of allocations, given what it is, and keeps it
     */
    record Node(ProcessContext.Environment environment, AtomicInteger waiting, Consumer<IntUnaryOperator> rescale) {}

    Deployment(DeploymentParams params, DeploymentOptions options, Node node) {
        this.params = params;
        this.options = options;
        this.environment = node.environment();
        this.rescale = node.rescale();
        this.waiters = new AllocationWaiters(params.deploymentId(), environment.threadPool(), node.waiting());
    }

    public DeploymentParams params() {
        return params;
    }

    /** Completes when the first allocations are ready on every node, or with the reason why they never will be. */
    public SubscribableListener<Void> started() {
        return started;
    }

    AssignmentState assignmentState() {
        Collection<Route> all = routes.values();
        if (stopping) {
            return AssignmentState.STOPPING;
        }
        if (params.allocations() == 0 || all.stream().anyMatch(Route::isRoutable)) {
            return AssignmentState.STARTED;
        }
        boolean failed = all.isEmpty() == false && all.stream().allMatch(route -> route.state() == RoutingState.FAILED);
        return failed ? AssignmentState.FAILED : AssignmentState.STARTING;
    }

    void start() {
        scaleTo(params.allocations());
        adapt(params.adaptive());
    }

    /** Begins, changes or ends adaptive allocations; null ends them. */
    synchronized void adapt(AdaptiveAllocationsSettings settings) {
        params = params.withAdaptive(settings);
        if (params.isAdaptive() && ticks == null) {
            adaptive = new AdaptiveAllocations(options);
            TimeValue interval = TimeValue.timeValueMillis(options.adaptiveIntervalMs());
            ticks = environment.threadPool().scheduleWithFixedDelay(this::tick, interval, environment.threadPool().generic());
        } else if (params.isAdaptive() == false && ticks != null) {
            ticks.cancel();
            ticks = null;
        }
    }

    private void tick() {
        Map<Integer, AdaptiveAllocations.Counters> counters = new HashMap<>();
        routes.forEach((node, route) -> {
            if (route.isRoutable()) {
                counters.put(node, route.counters());
            }
        });
        DeploymentParams now = params;
        if (now.isAdaptive() && now.allocations() > 0) {
            int wanted = adaptive.tick(counters, now.allocations(), now.adaptive());
            rescale.accept(current -> wanted);
        }
    }

    /** Starts or retires allocations; where some stay, the queue and the counters stay. */
    synchronized void scaleTo(int allocations) {
        if (stopping) {
            return;
        }
        params = params.withAllocations(allocations);
        leaving.removeIf(Route::isClosed);
        for (int node = 1; node <= options.nodes(); node++) {
            int share = allocations / options.nodes() + (node <= allocations % options.nodes() ? 1 : 0);
            spread(node, share);
        }
        changed();
    }

    private void spread(int node, int share) {
        Route route = routes.get(node);
        if (route == null && share > 0) {
            Route added = new Route(node, params, environment, this::changed);
            routes.put(node, added);
            added.start(share);
        } else if (route != null && share > 0) {
            route.scaleTo(share);
        } else if (route != null) {
            routes.remove(node);
            leaving.add(route);
            route.leave();
        }
    }

    private void changed() {
        Collection<Route> all = routes.values();
        switch (assignmentState()) {
            case STARTED -> {
                if (all.stream().noneMatch(route -> route.state() == RoutingState.STARTING)) {
                    started.onResponse(null);
                }
            }
            case FAILED -> {
                started.onFailure(serverError(
                    "Could not start trained model deployment, the following nodes failed with errors [" + reason() + "]"
                ));
                waiters.fail(serverError(
                    noAllocation("all nodes have failed with errors [" + reason() + "]")
                ));
            }
            case STOPPING -> waiters.fail(conflict(noAllocation("model assignment has been removed")));
            case STARTING -> { }
        }
        if (all.stream().anyMatch(Route::isRoutable)) {
            waiters.release();
        }
    }

    /** Why a node has failed, or null. */
    String reason() {
        return routes.values().stream().map(Route::reason).filter(Objects::nonNull).findFirst().orElse(null);
    }

    synchronized void stop() {
        stopping = true;
        if (ticks != null) {
            ticks.cancel();
        }
        // Also tells who waits; one that begins to wait later looks again by itself.
        changed();
        leaving.addAll(routes.values());
        leaving.parallelStream().forEach(Route::stop);
        started.onFailure(conflict("[" + params.deploymentId() + "] was stopped before it had started"));
    }

    /**
     * Evaluates the inputs of one request, if need be after a wait for the first allocation. Every text takes a queue
     * slot of its own, on a node that is drawn for it by the weight of its allocations
     * (TrainedModelAssignment#selectRandomNodesWeighedOnAllocations); one failed text fails them all, after all have
     * been answered.
     */
    void infer(List<String> texts, Origin origin, TimeValue timeout, ActionListener<List<Evaluation>> listener) {
        ElasticsearchStatusException refusal = refusal();
        if (refusal != null) {
            listener.onFailure(refusal);
        } else if (draw() != null) {
            submit(texts, origin, timeout, listener);
        } else if (params.startsFromZero()) {
            waiters.add(timeout, listener.delegateFailureAndWrap((next, ignored) -> submit(texts, origin, timeout, next)));
            environment.threadPool().generic().execute(this::startFromZero);
        } else {
            listener.onFailure(notAllocated());
        }
    }

    private void startFromZero() {
        if (params.allocations() == 0) {
            adaptive.wake();
        }
        rescale.accept(current -> Math.max(current, 1));
        // An allocation may have come between the look and the wait.
        changed();
    }

    private void submit(List<String> texts, Origin origin, TimeValue timeout, ActionListener<List<Evaluation>> listener) {
        Evaluation[] results = new Evaluation[texts.size()];
        var all = new GroupedActionListener<Void>(texts.size(), listener.map(ignored -> List.of(results)));
        for (int i = 0; i < texts.size(); i++) {
            int slot = i;
            submit(new InferenceRequest(texts.get(i), origin, timeout, all.map(evaluation -> {
                results[slot] = evaluation;
                return null;
            })));
        }
    }

    private void submit(InferenceRequest request) {
        Route route = draw();
        if (route == null) {
            request.fail(notAllocated());
        } else {
            route.submit(request);
        }
    }

    private Route draw() {
        List<Route> open = routes.values().stream().filter(Route::isRoutable).toList();
        if (open.isEmpty()) {
            return null;
        }
        int drawn = ThreadLocalRandom.current().nextInt(open.stream().mapToInt(Route::target).sum());
        for (Route route : open) {
            drawn -= route.target();
            if (drawn < 0) {
                return route;
            }
        }
        return open.getLast();
    }

    private ElasticsearchStatusException refusal() {
        String id = params.deploymentId();
        if (environment.faults().isLost(id)) {
            return new ElasticsearchStatusException(
                "Unable to find model deployment task [" + id + "] please stop and start the deployment or try again momentarily",
                RestStatus.NOT_FOUND
            );
        }
        return switch (assignmentState()) {
            case STOPPING, FAILED -> conflict("Trained model [" + id + "] is [" + assignmentState() + "]");
            case STARTING, STARTED -> null;
        };
    }

    private String noAllocation(String why) {
        return "[" + params.deploymentId() + "] Error waiting for a model allocation, " + why;
    }

    private static ElasticsearchStatusException serverError(String message) {
        return new ElasticsearchStatusException(message, RestStatus.INTERNAL_SERVER_ERROR);
    }

    private ElasticsearchStatusException notAllocated() {
        return conflict("Trained model deployment [" + params.deploymentId() + "] is not allocated to any nodes");
    }

    private static ElasticsearchStatusException conflict(String message) {
        return new ElasticsearchStatusException(message, RestStatus.CONFLICT);
    }

    /** Looks at nodes and queues again, after a fault has come or gone. */
    void faultsChanged() {
        routes.values().forEach(Route::faultsChanged);
        leaving.forEach(Route::faultsChanged);
    }

    /** Kills one of its processes; false when it has none. */
    public boolean crashOne() {
        return routes.values().stream().anyMatch(Route::crashOne);
    }

    /** What the cluster knows of its nodes: nothing of those that are lost. */
    List<Route> known() {
        return routes.values().stream().filter(route -> route.isLost() == false).toList();
    }
}
