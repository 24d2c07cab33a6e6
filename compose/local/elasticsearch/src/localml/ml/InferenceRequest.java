package localml.ml;

import java.util.concurrent.atomic.AtomicBoolean;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.threadpool.Scheduler;

/** One input on its way through a deployment; its listener is told exactly once. */
final class InferenceRequest {
    final String text;
    final Origin origin;
    final TimeValue timeout;
    private final ActionListener<Evaluation> listener;
    private final AtomicBoolean notified = new AtomicBoolean();
    private volatile Scheduler.Cancellable timer;

    InferenceRequest(String text, Origin origin, TimeValue timeout, ActionListener<Evaluation> listener) {
        this.text = text;
        this.origin = origin;
        this.timeout = timeout;
        this.listener = listener;
    }

    void timer(Scheduler.Cancellable scheduled) {
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
