package localml.ml;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.ElasticsearchTimeoutException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.support.SubscribableListener;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.threadpool.ThreadPool;

/**
 * The requests that wait for the first allocation of a deployment (InferenceWaitForAllocation in Elasticsearch's ML
 * plugin). All deployments of the server together let 99 wait.
 */
final class AllocationWaiters {
    private static final int TOO_MANY = 100;

    private final String deploymentId;
    private final ThreadPool threadPool;
    private final AtomicInteger everywhere;
    private final Queue<SubscribableListener<Void>> waiters = new ConcurrentLinkedQueue<>();

    /** {@code everywhere} counts the waiters of all deployments. */
    AllocationWaiters(String deploymentId, ThreadPool threadPool, AtomicInteger everywhere) {
        this.deploymentId = deploymentId;
        this.threadPool = threadPool;
        this.everywhere = everywhere;
    }

    /** Tells the listener when there is an allocation, or why there will be none in time. */
    void add(TimeValue timeout, ActionListener<Void> listener) {
        if (everywhere.incrementAndGet() >= TOO_MANY) {
            everywhere.decrementAndGet();
            listener.onFailure(new ElasticsearchStatusException(
                "Rejected inference request waiting for an allocation of deployment [" + deploymentId + "]. Too many pending requests",
                RestStatus.TOO_MANY_REQUESTS
            ));
            return;
        }
        SubscribableListener<Void> waiter = new SubscribableListener<>();
        waiters.add(waiter);
        waiter.addListener(ActionListener.runBefore(
            listener.delegateResponse((next, e) -> next.onFailure(e instanceof ElasticsearchTimeoutException ? timedOut(timeout) : e)),
            () -> left(waiter)
        ));
        if (timeout.equals(TimeValue.MAX_VALUE) == false) {
            waiter.addTimeout(timeout, threadPool, threadPool.generic());
        }
    }

    private void left(SubscribableListener<Void> waiter) {
        waiters.remove(waiter);
        everywhere.decrementAndGet();
    }

    private ModelDeploymentTimeoutException timedOut(TimeValue timeout) {
        return new ModelDeploymentTimeoutException(
            "Timed out after [" + timeout + "] waiting for trained model deployment [" + deploymentId + "] to start. "
                + "Use the trained model stats API to track the state of the deployment and try again once it has started."
        );
    }

    void release() {
        waiters.forEach(waiter -> waiter.onResponse(null));
    }

    void fail(ElasticsearchStatusException failure) {
        waiters.forEach(waiter -> waiter.onFailure(failure));
    }
}
