package localml.rest;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import localml.ml.Deployment;
import localml.ml.DeploymentInfo;
import localml.ml.Models;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.ingest.IngestService;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xpack.core.action.util.QueryPage;
import org.elasticsearch.xpack.core.ml.action.GetTrainedModelsStatsAction.Response;
import org.elasticsearch.xpack.core.ml.action.GetTrainedModelsStatsAction.Response.TrainedModelStats;
import org.elasticsearch.xpack.core.ml.inference.assignment.AssignmentStats;
import org.elasticsearch.xpack.core.ml.utils.ExceptionsHelper;
import org.elasticsearch.xpack.core.ml.utils.InferenceProcessorInfoExtractor;

/**
 * {@code GET _ml/trained_models[/{id}]/_stats}: an entry for each deployment of a model, or one for the model when it
 * has none; an id may be a deployment's, but a model of that name comes first.
 */
public final class RestGetTrainedModelsStats extends DeploymentHandler {
    private final IngestService ingestService;

    public RestGetTrainedModelsStats(Services services, IngestService ingestService) {
        super(services);
        this.ingestService = ingestService;
    }

    @Override
    public String getName() {
        return "ml_get_trained_models_stats_action";
    }

    @Override
    public List<Route> routes() {
        return List.of(
            new Route(RestRequest.Method.GET, "/_ml/trained_models/{model_id}/_stats"),
            new Route(RestRequest.Method.GET, "/_ml/trained_models/_stats")
        );
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        String expression = request.param("model_id");
        Page page = Page.of(request);
        boolean allowNoMatch = request.paramAsBoolean("allow_no_match", true);
        return channel -> {
            List<TrainedModelStats> stats = stats(expression);
            if (stats.isEmpty() && (allowNoMatch == false || Page.isExact(expression))) {
                throw ExceptionsHelper.missingTrainedModel(expression);
            }
            var found = new QueryPage<>(page.cut(stats), stats.size(), Response.RESULTS_FIELD);
            new RestToXContentListener<Response>(channel).onResponse(new Response(found));
        };
    }

    private List<TrainedModelStats> stats(String expression) {
        List<TrainedModelStats> all = new ArrayList<>();
        for (String modelId : Models.ids()) {
            boolean wholeModel = Models.matches(expression, modelId);
            List<Deployment> deployments = services.deployments().all().stream()
                .filter(d -> d.params().modelId().equals(modelId))
                .filter(d -> wholeModel || Models.matches(expression, d.params().deploymentId()))
                .toList();
            deployments.forEach(d -> all.add(entry(modelId, d)));
            if (wholeModel && deployments.isEmpty()) {
                all.add(entry(modelId, null));
            }
        }
        return all;
    }

    private TrainedModelStats entry(String modelId, Deployment deployment) {
        Set<String> names = deployment == null ? Set.of(modelId) : Set.of(modelId, deployment.params().deploymentId());
        Set<String> pipelines = InferenceProcessorInfoExtractor.pipelineIdsForResource(services.clusterService().state(), names);
        AssignmentStats assignment = deployment == null ? null : DeploymentInfo.stats(deployment, services.clusterService().localNode());
        return new TrainedModelStats(
            modelId,
            Models.sizeStats(modelId),
            IngestStatsOfPipelines.of(ingestService.stats(), pipelines),
            pipelines.size(),
            assignment == null ? null : assignment.getOverallInferenceStats(),
            assignment
        );
    }
}
