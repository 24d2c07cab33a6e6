package localml.rest;

import java.io.IOException;
import java.util.List;
import localml.ml.Deployment;
import localml.ml.DeploymentInfo;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.action.ActionRunnable;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xpack.core.ml.action.CreateTrainedModelAssignmentAction.Response;
import org.elasticsearch.xpack.core.ml.action.UpdateTrainedModelDeploymentAction.Request;

/** {@code POST _ml/trained_models/{model_id}/deployment/_update}: the allocations, live. */
public final class RestUpdateDeployment extends DeploymentHandler {
    public RestUpdateDeployment(Services services) {
        super(services);
    }

    @Override
    public String getName() {
        return "xpack_ml_update_trained_model_action";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.POST, "/_ml/trained_models/{model_id}/deployment/_update"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest rest, NodeClient client) throws IOException {
        String id = rest.param("model_id");
        Request request = rest.hasContent() ? Request.parseRequest(id, rest.contentParser()) : new Request(id);
        if (rest.hasParam("number_of_allocations")) {
            request.setNumberOfAllocations(rest.paramAsInt("number_of_allocations", 0));
        }
        ActionRequestValidationException invalid = request.validate();
        if (invalid != null) {
            throw invalid;
        }
        if (request.getNumberOfAllocations() == null && request.getAdaptiveAllocationsSettings() == null) {
            throw new IllegalArgumentException("[number_of_allocations] and [adaptive_allocations] are both missing");
        }
        return channel -> services.threadPool().generic().execute(
            ActionRunnable.supply(new RestToXContentListener<Response>(channel), () -> update(request))
        );
    }

    private Response update(Request request) {
        Deployment deployment = services.deployments().update(
            request.getDeploymentId(), request.getNumberOfAllocations(), request.getAdaptiveAllocationsSettings()
        );
        return new Response(DeploymentInfo.assignment(deployment, services.clusterService().localNode()));
    }
}
