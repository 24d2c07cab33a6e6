package localml.rest;

import java.util.ArrayList;
import java.util.List;
import localml.ml.Endpoint;
import localml.ml.InferenceEndpoints;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/** {@code GET _inference[/{task_type}][/{inference_id}]}; {@code _all} or nothing lists all endpoints. */
public final class RestGetInference extends InferenceHandler {
    public RestGetInference(Services services, InferenceEndpoints endpoints) {
        super(services, endpoints);
    }

    @Override
    public String getName() {
        return "get_inference_model_action";
    }

    @Override
    public List<Route> routes() {
        List<Route> routes = new ArrayList<>(routes(RestRequest.Method.GET));
        routes.add(new Route(RestRequest.Method.GET, "/_inference"));
        return routes;
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        String id = target(request).id();
        boolean all = id == null || id.equals("_all") || id.equals("*");
        List<Endpoint> found = all ? endpoints.all() : List.of(endpoints.require(id));
        return channel -> {
            XContentBuilder json = channel.newBuilder();
            json.startObject().field("endpoints", found.stream().map(Endpoint::toMap).toList()).endObject();
            channel.sendResponse(new RestResponse(RestStatus.OK, json));
        };
    }
}
