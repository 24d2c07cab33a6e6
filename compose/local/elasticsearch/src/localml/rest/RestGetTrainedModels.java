package localml.rest;

import java.util.List;
import localml.ml.Models;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestToXContentListener;
import org.elasticsearch.xpack.core.action.util.QueryPage;
import org.elasticsearch.xpack.core.ml.action.GetTrainedModelsAction.Response;
import org.elasticsearch.xpack.core.ml.inference.TrainedModelConfig;
import org.elasticsearch.xpack.core.ml.utils.ExceptionsHelper;
import org.elasticsearch.xpack.core.ml.utils.ToXContentParams;

/** {@code GET _ml/trained_models[/{model_id}]}. */
public final class RestGetTrainedModels extends BaseRestHandler {
    @Override
    public String getName() {
        return "ml_get_trained_models_action";
    }

    @Override
    public List<Route> routes() {
        return List.of(
            new Route(RestRequest.Method.GET, "/_ml/trained_models/{model_id}"),
            new Route(RestRequest.Method.GET, "/_ml/trained_models")
        );
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        String expression = request.param("model_id");
        Page page = Page.of(request);
        boolean allowNoMatch = request.paramAsBoolean("allow_no_match", true);
        // Of these a model without a stored definition has nothing to show.
        List.of("include", "decompress_definition", "tags", ToXContentParams.EXCLUDE_GENERATED).forEach(request::param);
        List<String> ids = Models.ids().stream().filter(id -> Models.matches(expression, id)).toList();
        if (ids.isEmpty() && (allowNoMatch == false || Page.isExact(expression))) {
            throw ExceptionsHelper.missingTrainedModel(expression);
        }
        List<TrainedModelConfig> configs = page.cut(ids).stream().map(Models::config).toList();
        Response response = new Response(new QueryPage<>(configs, ids.size(), Response.RESULTS_FIELD));
        return channel -> new RestToXContentListener<Response>(channel).onResponse(response);
    }
}
