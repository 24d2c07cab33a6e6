package localml.rest;

import java.io.IOException;
import java.util.List;
import localml.ml.Evaluation;
import localml.ml.InferenceEndpoints;
import localml.ml.Origin;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.inference.InputType;
import org.elasticsearch.inference.WeightedToken;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.action.RestChunkedToXContentListener;
import org.elasticsearch.xpack.core.inference.InferenceContext;
import org.elasticsearch.xpack.core.inference.action.InferenceAction;
import org.elasticsearch.xpack.core.inference.results.SparseEmbeddingResults;

/**
 * {@code POST _inference/sparse_embedding/{inference_id}}; x-pack-core's own classes parse, validate and print.
 *
 * <p>Only the input type search is of high priority (BaseElasticsearchInternalService).
 */
public final class RestPostInference extends InferenceHandler {
    public RestPostInference(Services services, InferenceEndpoints endpoints) {
        super(services, endpoints);
    }

    @Override
    public String getName() {
        return "inference_action";
    }

    @Override
    public List<Route> routes() {
        return routes(RestRequest.Method.POST);
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest rest, NodeClient client) throws IOException {
        Target target = target(rest);
        var builder = InferenceAction.Request.parseRequest(
            target.id(), target.taskType(), InferenceContext.EMPTY_INSTANCE, rest.contentParser()
        );
        builder.setInferenceTimeout(rest.paramAsTime("timeout", InferenceAction.Request.DEFAULT_TIMEOUT));
        InferenceAction.Request request = builder.build();
        ActionRequestValidationException invalid = request.validate();
        if (invalid != null) {
            throw invalid;
        }
        return channel -> infer(request, inContext(new RestChunkedToXContentListener<>(channel)));
    }

    private void infer(InferenceAction.Request request, ActionListener<InferenceAction.Response> listener) {
        Origin origin = request.getInputType() == InputType.SEARCH ? Origin.SEARCH : Origin.API;
        endpoints.infer(
            request.getInferenceEntityId(),
            request.getInput(),
            origin,
            request.getInferenceTimeout(),
            listener.map(RestPostInference::response)
        );
    }

    private static InferenceAction.Response response(List<Evaluation> evaluations) {
        return new InferenceAction.Response(
            new SparseEmbeddingResults(evaluations.stream().map(RestPostInference::embedding).toList())
        );
    }

    private static SparseEmbeddingResults.Embedding embedding(Evaluation evaluation) {
        List<WeightedToken> tokens = evaluation.tokens().entrySet().stream()
            .map(token -> new WeightedToken(token.getKey(), token.getValue()))
            .toList();
        return SparseEmbeddingResults.Embedding.create(tokens, evaluation.truncated());
    }
}
