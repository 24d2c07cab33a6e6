package localml.rest;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import localml.ml.Endpoint;
import localml.ml.InferenceEndpoints;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.rest.action.RestBuilderListener;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.XContentParser;

/** {@code PUT _inference/sparse_embedding/{inference_id}}: creates an endpoint and waits for its deployment. */
public final class RestPutInference extends InferenceHandler {
    private static final TimeValue DEFAULT_TIMEOUT = TimeValue.timeValueSeconds(30);

    public RestPutInference(Services services, InferenceEndpoints endpoints) {
        super(services, endpoints);
    }

    @Override
    public String getName() {
        return "put_inference_model_action";
    }

    @Override
    public List<Route> routes() {
        return routes(RestRequest.Method.PUT);
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) throws IOException {
        Target target = target(request);
        TimeValue timeout = request.paramAsTime("timeout", DEFAULT_TIMEOUT);
        Map<String, Object> body;
        try (XContentParser parser = request.contentParser()) {
            body = parser.map();
        }
        return channel -> put(endpoints.parse(target.id(), body), timeout, inContext(answer(channel)));
    }

    private void put(Endpoint endpoint, TimeValue timeout, ActionListener<Endpoint> listener) {
        whenStarted(endpoints.create(endpoint), timeout, listener.<Void>map(ignored -> endpoint).delegateResponse((next, e) -> {
            boolean late = e instanceof ElasticsearchStatusException status && status.status() == RestStatus.REQUEST_TIMEOUT;
            if (late == false) {
                endpoints.delete(endpoint);
            }
            next.onFailure(e);
        }));
    }

    private static ActionListener<Endpoint> answer(RestChannel channel) {
        return new RestBuilderListener<>(channel) {
            @Override
            public RestResponse buildResponse(Endpoint endpoint, XContentBuilder json) throws IOException {
                return new RestResponse(RestStatus.OK, json.map(endpoint.toMap()));
            }
        };
    }
}
