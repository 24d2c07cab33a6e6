package localml.rest;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import localml.fault.Fault;
import localml.fault.Faults;
import localml.fault.Kind;
import localml.ml.DeploymentInfo;
import org.elasticsearch.ResourceNotFoundException;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.common.util.Maps;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.XContentParser;

/**
 * {@code /_local/...}: faults for tests, the synthetic model's parameters, what a deployment finds around it and what it has
 * done; the only routes that Elasticsearch lacks.
 */
public final class RestLocal extends DeploymentHandler {
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
            new Route(RestRequest.Method.PUT, "/_local/synthetic/{deployment_id}"),
            new Route(RestRequest.Method.GET, "/_local/inferences/{deployment_id}"),
            new Route(RestRequest.Method.GET, "/_local/deployments/{deployment_id}"),
            new Route(RestRequest.Method.PUT, "/_local/deployments/{deployment_id}")
        );
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) throws IOException {
        String name = request.param("name");
        String deploymentId = request.param("deployment_id");
        Map<String, Object> body = body(request);
        RestRequest.Method method = request.method();
        return channel -> {
            Map<String, Object> answer;
            if (deploymentId == null) {
                answer = faults(method, name, body);
            } else if (request.path().startsWith("/_local/synthetic/")) {
                answer = synthetic(method, deploymentId, body);
            } else if (request.path().startsWith("/_local/inferences/")) {
                answer = Map.of("nodes", DeploymentInfo.work(services.deployments().require(deploymentId)));
            } else {
                answer = options(method, deploymentId, body);
            }
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
        if (fault.kind() == Kind.CRASH_PROCESS) {
            crash(fault);
            return;
        }
        faults.set(fault);
        double seconds = fault.number("seconds", 0);
        if (seconds > 0) {
            TimeValue after = TimeValue.timeValueMillis(Math.round(seconds * 1000));
            services.threadPool().schedule(() -> faults.expire(fault), after, services.threadPool().generic());
        }
    }

    private void crash(Fault fault) {
        String deploymentId = fault.text("deployment", null);
        if (services.deployments().require(deploymentId).crashOne() == false) {
            throw new IllegalArgumentException("deployment [" + deploymentId + "] has no process that could be killed");
        }
    }

    private Map<String, Object> synthetic(RestRequest.Method method, String deploymentId, Map<String, Object> body) {
        if (method == RestRequest.Method.PUT) {
            services.deployments().setSyntheticParameters(deploymentId, body);
        }
        return services.deployments().syntheticParameters(deploymentId);
    }

    private Map<String, Object> options(RestRequest.Method method, String deploymentId, Map<String, Object> body) {
        if (method == RestRequest.Method.PUT) {
            services.deployments().setOptions(deploymentId, body);
        }
        return services.deployments().optionsOf(deploymentId);
    }
}
