package localml.rest;

import java.io.IOException;
import java.util.List;
import org.elasticsearch.action.ActionRunnable;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xpack.core.ml.action.StopTrainedModelDeploymentAction.Request;
import org.elasticsearch.xpack.core.ml.action.StopTrainedModelDeploymentAction.Response;
import org.elasticsearch.xpack.core.ml.utils.ExceptionsHelper;

/** {@code POST _ml/trained_models/{model_id}/deployment/_stop} (TransportStopTrainedModelDeploymentAction). */
public final class RestStopDeployment extends DeploymentHandler {
    public RestStopDeployment(Services services) {
        super(services);
    }

    @Override
    public String getName() {
        return "xpack_ml_stop_trained_models_deployment_action";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.POST, "/_ml/trained_models/{model_id}/deployment/_stop"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest rest, NodeClient client) throws IOException {
        String id = rest.param("model_id");
        Request request = rest.hasContentOrSourceParam()
            ? Request.parseRequest(id, rest.contentOrSourceParamParser())
            : new Request(id);
        request.setAllowNoMatch(rest.paramAsBoolean("allow_no_match", request.isAllowNoMatch()));
        request.setForce(rest.paramAsBoolean("force", request.isForce()));
        if (rest.paramAsBoolean("finish_pending_work", request.shouldFinishPendingWork())) {
            throw new IllegalArgumentException("[finish_pending_work] is not provided by the local ML node");
        }
        return channel -> services.threadPool().generic().execute(
            ActionRunnable.supply(new RestToXContentListener<Response>(channel), () -> stop(request))
        );
    }

    private Response stop(Request request) {
        String id = request.getId();
        if (services.deployments().get(id) == null && request.isAllowNoMatch()) {
            return new Response(true);
        }
        services.deployments().require(id);
        if (request.isForce() == false && services.modelIdsInPipelines().contains(id)) {
            throw ExceptionsHelper.conflictStatusException(
                "Cannot stop deployment [{}] as it is referenced by ingest processors; use force to stop the deployment", id
            );
        }
        services.deployments().stop(id);
        return new Response(true);
    }
}
