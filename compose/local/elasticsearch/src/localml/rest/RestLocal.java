package localml.rest;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import localml.fault.Fault;
import localml.fault.Faults;
import localml.fault.Kind;
import org.elasticsearch.ResourceNotFoundException;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.common.util.Maps;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.XContentParser;

/** {@code /_local/...}: faults for tests and the synthetic model's parameters; the only routes that Elasticsearch lacks. */
public final class RestLocal extends DeploymentHandler {
    private static final Set<String> SYNTHETIC_KEYS = Set.of("base_ms", "ms_per_token", "sigma");

    private final Faults faults;

    public RestLocal(Services services, Faults faults) {
        super(services);
        this.faults = faults;
    }

    @Override
    public String getName() {
        return "local_action";
    }

    @Override
    public List<Route> routes() {
        return List.of(
            new Route(RestRequest.Method.GET, "/_local/faults"),
            new Route(RestRequest.Method.DELETE, "/_local/faults"),
            new Route(RestRequest.Method.PUT, "/_local/faults/{name}"),
            new Route(RestRequest.Method.DELETE, "/_local/faults/{name}"),
            new Route(RestRequest.Method.GET, "/_local/synthetic/{deployment_id}"),
            new Route(RestRequest.Method.PUT, "/_local/synthetic/{deployment_id}")
        );
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) throws IOException {
        String name = request.param("name");
        String deploymentId = request.param("deployment_id");
        Map<String, Object> body = body(request);
        RestRequest.Method method = request.method();
        return channel -> {
            Map<String, Object> answer = deploymentId == null ? faults(method, name, body) : synthetic(method, deploymentId, body);
            XContentBuilder json = channel.newBuilder().map(answer);
            channel.sendResponse(new RestResponse(RestStatus.OK, json));
        };
    }

    private static Map<String, Object> body(RestRequest request) throws IOException {
        if (request.hasContent() == false) {
            return Map.of();
        }
        try (XContentParser parser = request.contentParser()) {
            return parser.map();
        }
    }

    private Map<String, Object> faults(RestRequest.Method method, String name, Map<String, Object> body) {
        if (method == RestRequest.Method.PUT) {
            set(Fault.parse(name, body));
        } else if (method == RestRequest.Method.DELETE && name == null) {
            faults.clear();
        } else if (method == RestRequest.Method.DELETE && faults.remove(name) == false) {
            throw new ResourceNotFoundException("no fault named [{}] is set", name);
        }
        return Map.of("faults", Maps.transformValues(faults.all(), Fault::toMap));
    }

    private void set(Fault fault) {
        if (fault.kind() != Kind.CRASH_PROCESS) {
            faults.set(fault);
            return;
        }
        String deploymentId = fault.text("deployment", null);
        if (services.deployments().require(deploymentId).crashOne() == false) {
            throw new IllegalArgumentException("deployment [" + deploymentId + "] has no process that could be killed");
        }
    }

    private Map<String, Object> synthetic(RestRequest.Method method, String deploymentId, Map<String, Object> body) {
        if (method == RestRequest.Method.PUT) {
            Set<String> unknown = new TreeSet<>(body.keySet());
            unknown.removeAll(SYNTHETIC_KEYS);
            if (unknown.isEmpty() == false) {
                throw new IllegalArgumentException("unknown keys " + unknown + ", known are " + new TreeSet<>(SYNTHETIC_KEYS));
            }
            body.forEach((key, value) -> {
                if ((value instanceof Number) == false) {
                    throw new IllegalArgumentException("[" + key + "] must be a number");
                }
            });
            services.deployments().setSyntheticParameters(deploymentId, body);
        }
        return new LinkedHashMap<>(services.deployments().syntheticParameters(deploymentId));
    }
}
