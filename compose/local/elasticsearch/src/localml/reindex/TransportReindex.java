package localml.reindex;

import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRunnable;
import org.elasticsearch.action.support.ActionFilters;
import org.elasticsearch.action.support.HandledTransportAction;
import org.elasticsearch.client.internal.Client;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.util.concurrent.EsExecutors;
import org.elasticsearch.index.reindex.BulkByScrollResponse;
import org.elasticsearch.index.reindex.BulkByScrollTask;
import org.elasticsearch.index.reindex.ReindexAction;
import org.elasticsearch.index.reindex.ReindexRequest;
import org.elasticsearch.injection.guice.Inject;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.transport.TransportService;

/** Runs a reindex request as a task that {@code _tasks} of the core shows, stores and cancels. */
public final class TransportReindex extends HandledTransportAction<ReindexRequest, BulkByScrollResponse> {
    private final ThreadPool threadPool;
    private final ClusterService clusterService;
    private final Client client;

    @Inject
    public TransportReindex(TransportService transport, ActionFilters filters, ClusterService clusterService, Client client) {
        super(ReindexAction.NAME, transport, filters, ReindexRequest::new, EsExecutors.DIRECT_EXECUTOR_SERVICE);
        this.threadPool = transport.getThreadPool();
        this.clusterService = clusterService;
        this.client = client;
    }

    @Override
    protected void doExecute(Task task, ReindexRequest request, ActionListener<BulkByScrollResponse> listener) {
        BulkByScrollTask reindexTask = (BulkByScrollTask) task;
        reindexTask.setWorker(request.getRequestsPerSecond(), null);
        Reindexer reindexer = new Reindexer(request, reindexTask, client, clusterService);
        threadPool.generic().execute(ActionRunnable.supply(listener, reindexer::run));
    }
}
