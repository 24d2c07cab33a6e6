package localml.rest;

import java.io.IOException;
import java.util.Comparator;
import java.util.List;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.action.bulk.BulkItemResponse;
import org.elasticsearch.action.support.ActiveShardCount;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.index.reindex.BulkByScrollResponse;
import org.elasticsearch.index.reindex.ReindexAction;
import org.elasticsearch.index.reindex.ReindexRequest;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.rest.action.RestBuilderListener;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.XContentParser;

/** {@code POST _reindex}, whose real handler is in the unpublished module reindex; the core's own class parses it. */
public final class RestReindex extends BaseRestHandler {
    @Override
    public String getName() {
        return "reindex_action";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.POST, "/_reindex"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest rest, NodeClient client) throws IOException {
        ReindexRequest request;
        try (XContentParser parser = rest.contentParser()) {
            request = ReindexRequest.fromXContent(parser, (NodeFeature feature) -> true);
        }
        request.setRefresh(rest.paramAsBoolean("refresh", request.isRefresh()));
        request.setTimeout(rest.paramAsTime("timeout", request.getTimeout()));
        request.setScroll(rest.paramAsTime("scroll", request.getScrollTime()));
        if (rest.hasParam("max_docs")) {
            request.setMaxDocs(rest.paramAsInt("max_docs", 0));
        }
        request.setRequireAlias(rest.paramAsBoolean("require_alias", request.getDestination().isRequireAlias()));
        if (rest.hasParam("wait_for_active_shards")) {
            request.setWaitForActiveShards(ActiveShardCount.parseString(rest.param("wait_for_active_shards")));
        }
        refuseWhatIsMissing(rest, request);
        boolean wait = rest.paramAsBoolean("wait_for_completion", true);
        request.setShouldStoreResult(wait == false);
        ActionRequestValidationException invalid = request.validate();
        if (invalid != null) {
            throw invalid;
        }
        return wait
            ? channel -> client.executeLocally(ReindexAction.INSTANCE, request, answer(channel))
            : channel -> sendTask(channel, client, request);
    }

    private static void refuseWhatIsMissing(RestRequest rest, ReindexRequest request) {
        boolean sliced = rest.param("slices", "1").equals("1") == false || request.getSlices() != 1;
        boolean throttled = rest.param("requests_per_second", "-1").equals("-1") == false;
        if (request.getScript() != null || request.getRemoteInfo() != null || sliced || throttled) {
            throw new IllegalArgumentException(
                "[script], [source.remote], [slices] and [requests_per_second] are not provided by the local _reindex"
            );
        }
    }

    private static void sendTask(RestChannel channel, NodeClient client, ReindexRequest request) throws IOException {
        Task task = client.executeLocally(ReindexAction.INSTANCE, request, ActionListener.noop());
        XContentBuilder json = channel.newBuilder().startObject();
        json.field("task", client.getLocalNodeId() + ":" + task.getId()).endObject();
        channel.sendResponse(new RestResponse(RestStatus.OK, json));
    }

    private static RestBuilderListener<BulkByScrollResponse> answer(RestChannel channel) {
        return new RestBuilderListener<>(channel) {
            @Override
            public RestResponse buildResponse(BulkByScrollResponse response, XContentBuilder json) throws IOException {
                json.startObject();
                response.toXContent(json, channel.request());
                RestStatus status = response.getBulkFailures().stream()
                    .map(BulkItemResponse.Failure::getStatus)
                    .max(Comparator.comparingInt(RestStatus::getStatus))
                    .orElse(RestStatus.OK);
                return new RestResponse(status, json.endObject());
            }
        };
    }
}
