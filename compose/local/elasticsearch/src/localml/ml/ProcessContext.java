package localml.ml;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import localml.fault.Faults;
import org.elasticsearch.common.util.concurrent.EsRejectedExecutionException;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.threadpool.ThreadPool;

/**
 * The queue, the allocations and the counters of a deployment on one node, from one start of its process to the next.
 *
 * <p>Elasticsearch runs one native process per deployment and node, with a thread per allocation; here every
 * allocation has a process of its own, but they live and die together as that one process does: when one dies, what
 * was being computed fails, what was queued is refused and the counters are lost (ProcessContext, DeploymentManager
 * and PyTorchResultProcessor).
 */
final class ProcessContext implements Evaluator.Events {
    static final String QUEUE_FULL = "inference process queue is full. Unable to execute command";
    static final String SHUT_DOWN = "inference process worker service has shutdown";
    static final String STOPPING = "inference canceled as process is stopping";

    /** Told when the first allocations are ready, or when the process is lost. */
    interface Owner {
        void processStarted(ProcessContext context);

        void processCrashed(ProcessContext context, String reason);
    }

    /** What the context needs from outside. */
    record Environment(ThreadPool threadPool, Faults faults, Evaluator.Factory factory) {}

    final Instant startTime = Instant.now();
    final AtomicInteger rejected = new AtomicInteger();
    final AtomicInteger timeouts = new AtomicInteger();
    final ResultStats stats = new ResultStats(System::currentTimeMillis);
    final Waits waits = new Waits();
    private final String deploymentId;
    private final Environment environment;
    private final Owner owner;
    private final InferenceQueue queue;
    private final InferenceCache cache;
    private final Set<Evaluator> starting = new HashSet<>();
    private final Map<Evaluator, Allocation> running = new LinkedHashMap<>();
    private final Set<InferenceRequest> inFlight = new LinkedHashSet<>();
    private int target;
    private boolean announced;
    private boolean draining;
    private boolean closed;

    ProcessContext(DeploymentParams params, Environment environment, Owner owner) {
        this.deploymentId = params.deploymentId();
        this.environment = environment;
        this.owner = owner;
        this.queue = new InferenceQueue(params.queueCapacity());
        this.cache = new InferenceCache(params.cacheSize().getBytes());
    }

    /** Starts or retires allocations until there are {@code count}; busy ones first finish what they compute. */
    void scaleTo(int count) {
        synchronized (this) {
            target = count;
        }
        adjust();
    }

    private void adjust() {
        List<Allocation> surplus;
        synchronized (this) {
            while (closed == false && starting.size() + staying() < target) {
                starting.add(environment.factory().start(this));
            }
            surplus = running.values().stream().filter(Allocation::isIdle).limit(Math.max(0, staying() - target)).toList();
            surplus.forEach(allocation -> running.remove(allocation.evaluator));
        }
        surplus.forEach(allocation -> allocation.evaluator.close());
    }

    private int staying() {
        return (int) running.values().stream().filter(allocation -> allocation.isRetiring() == false).count();
    }

    synchronized int allocations() {
        return running.size();
    }

    /** Queued and being computed (DeploymentManager#getStats); only the queued part is bounded. */
    synchronized int pending() {
        return queue.size() + inFlight.size();
    }

    synchronized boolean isClosed() {
        return closed;
    }

    void submit(InferenceRequest request) {
        request.startTimer(environment.threadPool(), timeouts::incrementAndGet);
        EsRejectedExecutionException refusal = enqueue(request);
        if (refusal != null) {
            request.fail(refusal, rejected::incrementAndGet);
            return;
        }
        dispatch();
    }

    private synchronized EsRejectedExecutionException enqueue(InferenceRequest request) {
        if (closed) {
            return new EsRejectedExecutionException(SHUT_DOWN, true);
        }
        boolean refuse = request.origin == Origin.INGEST && environment.faults().rejectsItem(deploymentId);
        if (refuse || queue.offer(request) == false) {
            return new EsRejectedExecutionException(QUEUE_FULL, false);
        }
        return null;
    }

    /** Gives queued requests to allocations that take more until one of both runs out. */
    void dispatch() {
        for (Runnable work = next(); work != null; work = next()) {
            work.run();
        }
    }

    private synchronized Runnable next() {
        Allocation allocation = running.values().stream().filter(Allocation::takesMore)
            .min(Comparator.comparingInt(Allocation::load)).orElse(null);
        if (closed || allocation == null || environment.faults().isStalled(deploymentId)) {
            return null;
        }
        InferenceRequest taken = queue.poll();
        if (taken == null) {
            return null;
        }
        inFlight.add(taken);
        waits.add(System.nanoTime() - taken.bornNanos);
        Evaluation cached = cache.get(taken.text);
        if (cached != null) {
            return () -> finish(taken, cached.slowedTo(0), true);
        }
        allocation.take();
        return () -> allocation.evaluator.evaluate(taken.text, evaluation -> evaluated(allocation, taken, evaluation));
    }

    private void evaluated(Allocation allocation, InferenceRequest request, Evaluation evaluation) {
        double slowed = environment.faults().slowed(deploymentId, evaluation.timeMs());
        if (slowed <= evaluation.timeMs()) {
            release(allocation, request, evaluation);
            return;
        }
        environment.threadPool().schedule(
            () -> release(allocation, request, evaluation.slowedTo(slowed)),
            TimeValue.timeValueNanos(allocation.holdBack(evaluation.timeMs(), slowed)),
            environment.threadPool().generic()
        );
    }

    private void release(Allocation allocation, InferenceRequest request, Evaluation evaluation) {
        boolean gone;
        synchronized (this) {
            allocation.release();
            if (staying() > target) {
                allocation.retire();
            }
            gone = closed == false && allocation.isRetiring() && allocation.isIdle() && running.remove(allocation.evaluator) != null;
        }
        if (evaluation.error() == null) {
            cache.put(request.text, evaluation);
        }
        finish(request, evaluation, false);
        if (gone) {
            environment.threadPool().generic().execute(allocation.evaluator::close);
        }
        dispatch();
    }

    private void finish(InferenceRequest request, Evaluation evaluation, boolean cacheHit) {
        synchronized (this) {
            if (inFlight.remove(request) == false) {
                return;
            }
        }
        if (evaluation.error() != null) {
            stats.error();
        } else if (request.isNotified() == false) {
            stats.success(evaluation.timeMs(), cacheHit);
        }
        environment.threadPool().generic().execute(() -> {
            if (evaluation.error() != null) {
                request.failInProcess(evaluation.error());
            } else {
                request.succeed(evaluation);
            }
        });
        closeWhenDrained();
    }

    @Override
    public void ready(Evaluator evaluator) {
        boolean first;
        synchronized (this) {
            if (starting.remove(evaluator) == false) {
                return;
            }
            running.put(evaluator, new Allocation(evaluator));
            first = announced == false && running.size() >= target;
            announced |= first;
        }
        if (first) {
            owner.processStarted(this);
        }
        // The target may have shrunk while this one started.
        adjust();
        dispatch();
    }

    @Override
    public void died(Evaluator evaluator, String reason) {
        synchronized (this) {
            if (closed || (starting.contains(evaluator) || running.containsKey(evaluator)) == false) {
                return;
            }
        }
        owner.processCrashed(this, reason);
    }

    /** Kills one allocation as an accident would; false when there is none that can die. */
    boolean crashOne() {
        Evaluator victim;
        synchronized (this) {
            // A busy one if there is one: its request shows what a crash does.
            victim = running.values().stream().max(Comparator.comparingInt(Allocation::load))
                .map(allocation -> allocation.evaluator).orElse(null);
        }
        return victim != null && victim.crash();
    }

    /** Ends when what it was given is done. */
    void drain() {
        synchronized (this) {
            draining = true;
        }
        closeWhenDrained();
    }

    private void closeWhenDrained() {
        synchronized (this) {
            if (draining == false || pending() > 0) {
                return;
            }
        }
        var shutDown = new EsRejectedExecutionException(SHUT_DOWN, true);
        environment.threadPool().generic().execute(() -> close(STOPPING, shutDown));
    }

    /** Ends everything at once, as if its node had lost its power. */
    void kill(String inFlightError) {
        List<Evaluator> evaluators = shutDown(inFlightError, new EsRejectedExecutionException(SHUT_DOWN, true));
        evaluators.forEach(Evaluator::crash);
        evaluators.forEach(Evaluator::close);
    }

    /**
     * Ends everything: what was being computed fails with {@code inFlightError}, what was queued with
     * {@code queuedFailure}.
     */
    void close(String inFlightError, Exception queuedFailure) {
        shutDown(inFlightError, queuedFailure).parallelStream().forEach(Evaluator::close);
    }

    private List<Evaluator> shutDown(String inFlightError, Exception queuedFailure) {
        List<Evaluator> evaluators = new ArrayList<>();
        List<InferenceRequest> computed;
        List<InferenceRequest> queued;
        synchronized (this) {
            if (closed) {
                return evaluators;
            }
            closed = true;
            evaluators.addAll(starting);
            evaluators.addAll(running.keySet());
            computed = List.copyOf(inFlight);
            inFlight.clear();
            queued = queue.drain();
        }
        computed.forEach(request -> request.failInProcess(inFlightError));
        queued.forEach(request -> request.fail(queuedFailure));
        return evaluators;
    }
}
