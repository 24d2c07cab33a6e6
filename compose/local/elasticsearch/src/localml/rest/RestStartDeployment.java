package localml.rest;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import localml.ml.Deployment;
import localml.ml.DeploymentInfo;
import localml.ml.DeploymentParams;
import localml.ml.Models;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.common.unit.ByteSizeValue;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xcontent.XContentParser;
import org.elasticsearch.xpack.core.ml.action.CreateTrainedModelAssignmentAction;
import org.elasticsearch.xpack.core.ml.action.StartTrainedModelDeploymentAction.Request;
import org.elasticsearch.xpack.core.ml.inference.assignment.AllocationStatus;

/** {@code POST _ml/trained_models/{model_id}/deployment/_start}; x-pack-core's own request parses and validates. */
public final class RestStartDeployment extends DeploymentHandler {
    private static final String QUEUE_CAPACITY = "queue_capacity";

    public RestStartDeployment(Services services) {
        super(services);
    }

    @Override
    public String getName() {
        return "xpack_ml_start_trained_models_deployment_action";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.POST, "/_ml/trained_models/{model_id}/deployment/_start"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest rest, NodeClient client) throws IOException {
        Request request = parse(rest);
        ActionRequestValidationException invalid = request.validate();
        if (invalid != null) {
            throw invalid;
        }
        return channel -> start(request, inContext(new RestToXContentListener<>(channel)));
    }

    private Request parse(RestRequest rest) throws IOException {
        String modelId = rest.param("model_id");
        String deploymentId = rest.param("deployment_id", modelId);
        Request request = rest.hasContentOrSourceParam()
            ? Request.parseRequest(modelId, deploymentId, rest.contentOrSourceParamParser())
            : new Request(modelId, deploymentId);
        request.setTimeout(rest.paramAsTime("timeout", request.getTimeout()));
        request.setWaitForState(
            AllocationStatus.State.fromString(rest.param("wait_for", AllocationStatus.State.STARTED.toString()))
        );
        request.setThreadsPerAllocation(rest.paramAsInt("threads_per_allocation", request.getThreadsPerAllocation()));
        if (rest.hasParam("number_of_allocations")) {
            request.setNumberOfAllocations(rest.paramAsInt("number_of_allocations", 1));
        }
        boolean inBody = rest.hasContentOrSourceParam() && bodyKeys(rest).contains(QUEUE_CAPACITY);
        int queueCapacity = inBody ? request.getQueueCapacity() : services.queueCapacity();
        request.setQueueCapacity(rest.paramAsInt(QUEUE_CAPACITY, queueCapacity));
        request.setCacheSize(rest.paramAsSize("cache_size", request.getCacheSize()));
        request.setPriority(rest.param("priority", request.getPriority().toString()));
        return request;
    }

    private static Set<String> bodyKeys(RestRequest rest) throws IOException {
        try (XContentParser parser = rest.contentOrSourceParamParser()) {
            return parser.map().keySet();
        }
    }

    private void start(Request request, ActionListener<CreateTrainedModelAssignmentAction.Response> listener) {
        Deployment deployment = services.deployments().start(params(request));
        ActionListener<Void> answer = listener.map(ignored -> new CreateTrainedModelAssignmentAction.Response(
            DeploymentInfo.assignment(deployment, services.clusterService().localNode())
        ));
        if (request.getWaitForState() == AllocationStatus.State.STARTING) {
            answer.onResponse(null);
        } else {
            whenStarted(deployment, request.getTimeout(), answer.delegateResponse((next, e) -> {
                removeIfFailed(deployment, e);
                next.onFailure(e);
            }));
        }
    }

    /** A deployment that could not be started is not left behind; one that is only late goes on starting. */
    private void removeIfFailed(Deployment deployment, Exception e) {
        String id = deployment.params().deploymentId();
        boolean late = e instanceof ElasticsearchStatusException status && status.status() == RestStatus.REQUEST_TIMEOUT;
        if (late == false && services.deployments().get(id) == deployment) {
            services.deployments().stop(id);
        }
    }

    private static DeploymentParams params(Request request) {
        ByteSizeValue cacheSize = request.getCacheSize() == null
            ? ByteSizeValue.ofBytes(Models.bytes(request.getModelId()))
            : request.getCacheSize();
        return new DeploymentParams(
            request.getModelId(),
            request.getDeploymentId(),
            request.computeNumberOfAllocations(),
            request.getThreadsPerAllocation(),
            request.getQueueCapacity(),
            cacheSize,
            request.getPriority(),
            request.getAdaptiveAllocationsSettings()
        );
    }
}
