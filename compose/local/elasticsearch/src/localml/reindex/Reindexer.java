package localml.reindex;

import java.util.ArrayList;
import java.util.List;
import org.elasticsearch.action.DocWriteResponse;
import org.elasticsearch.action.bulk.BulkItemResponse;
import org.elasticsearch.action.bulk.BulkRequest;
import org.elasticsearch.action.bulk.Retry;
import org.elasticsearch.action.index.IndexRequest;
import org.elasticsearch.action.search.SearchResponse;
import org.elasticsearch.action.search.SearchScrollRequest;
import org.elasticsearch.client.internal.Client;
import org.elasticsearch.client.internal.ParentTaskAssigningClient;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.common.BackoffPolicy;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.index.VersionType;
import org.elasticsearch.index.reindex.BulkByScrollResponse;
import org.elasticsearch.index.reindex.BulkByScrollTask;
import org.elasticsearch.index.reindex.ReindexRequest;
import org.elasticsearch.index.reindex.WorkerBulkByScrollTaskState;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.search.SearchHit;
import org.elasticsearch.tasks.TaskCancelledException;
import org.elasticsearch.xcontent.XContentType;

/**
 * Copies one index into another, a scroll page and a bulk at a time; ends with the first failed document, or when its
 * task is cancelled.
 *
 * <p>Refused items are sent again by the core's own {@link Retry}, as in the real module. So a document that the
 * inference queue has refused is retried without its pipeline and stored without its tokens (es#78792).
 */
final class Reindexer {
    private final ReindexRequest request;
    private final BulkByScrollTask task;
    private final WorkerBulkByScrollTaskState state;
    /** Works as a child of the task, so that it is cancelled with it. */
    private final Client client;
    /** Tidies up after a cancellation. */
    private final Client ownClient;
    private final Retry retry;
    private final List<BulkItemResponse.Failure> failures = new ArrayList<>();
    private long copied;

    Reindexer(ReindexRequest request, BulkByScrollTask task, Client ownClient, ClusterService clusterService) {
        this.request = request;
        this.task = task;
        this.state = task.getWorkerState();
        this.client = new ParentTaskAssigningClient(ownClient, clusterService.localNode(), task);
        this.ownClient = ownClient;
        BackoffPolicy backoff = BackoffPolicy.wrap(
            BackoffPolicy.exponentialBackoff(request.getRetryBackoffInitialTime(), request.getMaxRetries()),
            state::countBulkRetry
        );
        this.retry = new Retry(backoff, ownClient.threadPool());
    }

    BulkByScrollResponse run() {
        long start = System.nanoTime();
        try {
            copyAll();
            if (request.isRefresh()) {
                client.admin().indices().prepareRefresh(request.getDestination().index()).get();
            }
        } catch (TaskCancelledException e) {
            // The status says so: a cancelled reindex ends with a response, not with an error.
        }
        TimeValue took = TimeValue.timeValueNanos(System.nanoTime() - start);
        return new BulkByScrollResponse(took, task.getStatus(), failures, List.of(), false);
    }

    private void copyAll() {
        request.getSearchRequest().scroll(request.getScrollTime());
        SearchResponse first = client.search(request.getSearchRequest()).actionGet();
        String scrollId = first.getScrollId();
        state.setTotal(total(first));
        try {
            boolean more = copyAndRelease(first);
            while (more) {
                var next = new SearchScrollRequest(scrollId).scroll(request.getScrollTime());
                more = copyAndRelease(client.searchScroll(next).actionGet());
            }
        } finally {
            ownClient.prepareClearScroll().addScrollId(scrollId).get();
        }
    }

    private boolean copyAndRelease(SearchResponse page) {
        try {
            return copy(page);
        } finally {
            page.decRef();
        }
    }

    private long total(SearchResponse firstPage) {
        long found = firstPage.getHits().getTotalHits().value();
        return request.getMaxDocs() < 0 ? found : Math.min(found, request.getMaxDocs());
    }

    /** Copies a page; false when there is nothing more to do. */
    private boolean copy(SearchResponse page) {
        BulkRequest bulk = new BulkRequest().timeout(request.getTimeout()).waitForActiveShards(request.getWaitForActiveShards());
        for (SearchHit hit : page.getHits().getHits()) {
            if (request.getMaxDocs() < 0 || copied < request.getMaxDocs()) {
                bulk.add(copyOf(hit));
                copied++;
            }
        }
        if (bulk.numberOfActions() == 0 || task.isCancelled()) {
            return false;
        }
        state.countBatch();
        for (BulkItemResponse item : retry.withBackoff(client::bulk, bulk).actionGet()) {
            count(item);
        }
        return failures.isEmpty() && task.isCancelled() == false;
    }

    private IndexRequest copyOf(SearchHit hit) {
        IndexRequest destination = request.getDestination();
        IndexRequest copy = new IndexRequest(destination.index())
            .id(hit.getId())
            .source(hit.getSourceRef(), XContentType.JSON)
            .routing(destination.routing())
            .setPipeline(destination.getPipeline())
            .setRequireAlias(destination.isRequireAlias())
            .opType(destination.opType());
        if (destination.versionType() != VersionType.INTERNAL) {
            copy.version(hit.getVersion()).versionType(destination.versionType());
        }
        return copy;
    }

    private void count(BulkItemResponse item) {
        if (item.isFailed() && item.getFailure().getStatus() == RestStatus.CONFLICT) {
            state.countVersionConflict();
            if (request.isAbortOnVersionConflict()) {
                failures.add(item.getFailure());
            }
        } else if (item.isFailed()) {
            failures.add(item.getFailure());
        } else if (item.getResponse().getResult() == DocWriteResponse.Result.CREATED) {
            state.countCreated();
        } else {
            state.countUpdated();
        }
    }
}
