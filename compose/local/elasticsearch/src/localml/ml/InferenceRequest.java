package localml.ml;

import java.util.concurrent.atomic.AtomicBoolean;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.threadpool.Scheduler;
import org.elasticsearch.threadpool.ThreadPool;

/** One input on its way through a deployment; its listener is told exactly once. */
final class InferenceRequest {
    final String text;
    final Origin origin;
    final TimeValue timeout;
    final long bornNanos = System.nanoTime();
    private final ActionListener<Evaluation> listener;
    private final AtomicBoolean notified = new AtomicBoolean();
    private volatile Scheduler.Cancellable timer;

    InferenceRequest(String text, Origin origin, TimeValue timeout, ActionListener<Evaluation> listener) {
        this.text = text;
        this.origin = origin;
        this.timeout = timeout;
        this.listener = listener;
    }

    /** Begins its timeout, if it has one: when that is over, {@code first} runs before the listener is told. */
    void startTimer(ThreadPool threadPool, Runnable first) {
        if (timeout.equals(TimeValue.MAX_VALUE)) {
            return;
        }
        Scheduler.Cancellable scheduled = threadPool.schedule(() -> {
            String message = "timeout [" + timeout + "] waiting for inference result";
            fail(new ElasticsearchStatusException(message, RestStatus.REQUEST_TIMEOUT), first);
        }, timeout, threadPool.generic());
        timer = scheduled;
        if (notified.get()) {
            scheduled.cancel();
        }
    }

    boolean isNotified() {
        return notified.get();
    }

    /** Answers the request, unless somebody else was faster. */
    void succeed(Evaluation evaluation) {
        if (claim()) {
            listener.onResponse(evaluation);
        }
    }

    /** Fails the request, unless somebody else was faster. */
    void fail(Exception failure) {
        fail(failure, () -> {});
    }

    /** Fails the request because its inference did, or the process that made it. */
    void failInProcess(String error) {
        fail(new ElasticsearchStatusException("Error in inference process: [" + error + "]", RestStatus.INTERNAL_SERVER_ERROR));
    }

    /** Fails the request, unless somebody else was faster; {@code first} runs before the listener is told. */
    void fail(Exception failure, Runnable first) {
        if (claim()) {
            first.run();
            listener.onFailure(failure);
        }
    }

    private boolean claim() {
        if (notified.compareAndSet(false, true) == false) {
            return false;
        }
        Scheduler.Cancellable scheduled = timer;
        if (scheduled != null) {
            scheduled.cancel();
        }
        return true;
    }
}
