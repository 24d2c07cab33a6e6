package localml.rest;

import java.util.List;
import java.util.Set;
import localml.ml.Endpoint;
import localml.ml.InferenceEndpoints;
import org.elasticsearch.action.ActionRunnable;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xpack.core.inference.action.DeleteInferenceEndpointAction.Response;
import org.elasticsearch.xpack.core.ml.utils.ExceptionsHelper;
import org.elasticsearch.xpack.core.ml.utils.InferenceProcessorInfoExtractor;

/** {@code DELETE _inference/[{task_type}/]{inference_id}} (TransportDeleteInferenceEndpointAction). */
public final class RestDeleteInference extends InferenceHandler {
    public RestDeleteInference(Services services, InferenceEndpoints endpoints) {
        super(services, endpoints);
    }

    @Override
    public String getName() {
        return "delete_inference_model_action";
    }

    @Override
    public List<Route> routes() {
        return routes(RestRequest.Method.DELETE);
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        String id = target(request).id();
        boolean force = request.paramAsBoolean("force", false);
        boolean dryRun = request.paramAsBoolean("dry_run", false);
        return channel -> services.threadPool().generic().execute(ActionRunnable.supply(
            new RestToXContentListener<>(channel), () -> dryRun ? dryRun(id) : delete(id, force)
        ));
    }

    private Response dryRun(String id) {
        endpoints.require(id);
        Set<String> pipelines = InferenceProcessorInfoExtractor.pipelineIdsForResource(
            services.clusterService().state(), Set.of(id)
        );
        return new Response(false, pipelines, Set.of(), "");
    }

    private Response delete(String id, boolean force) {
        Endpoint endpoint = endpoints.require(id);
        if (force == false && services.modelIdsInPipelines().contains(id)) {
            throw ExceptionsHelper.conflictStatusException(
                "Inference endpoint " + id + " is referenced by pipelines and cannot be deleted. Use `force` to delete it anyway, "
                    + "or use `dry_run` to list the pipelines that reference it."
            );
        }
        endpoints.delete(endpoint);
        return new Response(true, Set.of(), Set.of(), "");
    }
}
