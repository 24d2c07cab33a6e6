package localml.ml;

import java.util.List;
import java.util.Map;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.ResourceNotFoundException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.support.ActionFilters;
import org.elasticsearch.action.support.ContextPreservingActionListener;
import org.elasticsearch.action.support.HandledTransportAction;
import org.elasticsearch.common.util.concurrent.EsExecutors;
import org.elasticsearch.inference.InferenceResults;
import org.elasticsearch.inference.WeightedToken;
import org.elasticsearch.injection.guice.Inject;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.transport.TransportService;
import org.elasticsearch.xpack.core.ml.action.CoordinatedInferenceAction;
import org.elasticsearch.xpack.core.ml.action.InferModelAction;
import org.elasticsearch.xpack.core.ml.inference.TrainedModelPrefixStrings.PrefixType;
import org.elasticsearch.xpack.core.ml.inference.results.TextExpansionResults;
import org.elasticsearch.xpack.core.ml.inference.trainedmodel.InferenceConfig;

/**
 * Where the ingest processor and the sparse_vector query get their tokens: assignments in the cluster first, then the
 * inference endpoint of that name (x-pack-ml's TransportCoordinatedInferenceAction).
 */
public final class TransportCoordinatedInference extends HandledTransportAction<
    CoordinatedInferenceAction.Request,
    InferModelAction.Response> {
    private static final String MODEL_INPUT = "text_field";

    private final Deployments deployments;
    private final InferenceEndpoints endpoints;
    private final ThreadPool threadPool;

    @Inject
    public TransportCoordinatedInference(
        TransportService transport, ActionFilters filters, Deployments deployments, InferenceEndpoints endpoints
    ) {
        super(
            CoordinatedInferenceAction.NAME,
            transport,
            filters,
            CoordinatedInferenceAction.Request::new,
            EsExecutors.DIRECT_EXECUTOR_SERVICE
        );
        this.deployments = deployments;
        this.endpoints = endpoints;
        this.threadPool = transport.getThreadPool();
    }

    @Override
    protected void doExecute(Task task, CoordinatedInferenceAction.Request request, ActionListener<InferModelAction.Response> listener) {
        String id = request.getModelId();
        var answer = ContextPreservingActionListener.wrapPreservingContext(listener, threadPool.getThreadContext());
        if (request.hasObjects()) {
            inferObjects(request, answer);
        } else if (deployments.isAssigned(id)) {
            deployments.infer(id, request.getInputs(), origin(request), request.getInferenceTimeout(), answer.map(r -> response(r, id)));
        } else if (endpoints.exists(id)) {
            // Without an id in the response the processor writes its own model_id.
            ActionListener<InferModelAction.Response> found = answer.delegateResponse((next, e) -> next.onFailure(
                e instanceof ResourceNotFoundException ? notDeployed(id) : e
            ));
            endpoints.infer(id, request.getInputs(), origin(request), request.getInferenceTimeout(), found.map(r -> response(r, null)));
        } else {
            answer.onFailure(notDeployed(id));
        }
    }

    private static ElasticsearchStatusException notDeployed(String id) {
        return new ElasticsearchStatusException(
            "[" + id + "] is not an inference service model or a deployed ml model", RestStatus.NOT_FOUND
        );
    }

    private void inferObjects(CoordinatedInferenceAction.Request request, ActionListener<InferModelAction.Response> listener) {
        String id = request.getModelId();
        if (deployments.isAssigned(id) == false && endpoints.exists(id)) {
            listener.onFailure(new ElasticsearchStatusException(
                "[" + id + "] is configured for the _inference API and does not accept documents as input", RestStatus.BAD_REQUEST
            ));
            return;
        }
        List<String> texts;
        try {
            texts = request.getObjectsToInfer().stream().map(TransportCoordinatedInference::modelInput).toList();
        } catch (ElasticsearchStatusException e) {
            listener.onFailure(e);
            return;
        }
        deployments.infer(id, texts, origin(request), request.getInferenceTimeout(), listener.map(r -> response(r, id)));
    }

    private static String modelInput(Map<String, Object> document) {
        Object input = document.get(MODEL_INPUT);
        if (input instanceof String text) {
            return text;
        }
        String problem = input == null
            ? "Input field [" + MODEL_INPUT + "] does not exist in the source document"
            : "Input value [" + input + "] for field [" + MODEL_INPUT + "] must be a string";
        throw new ElasticsearchStatusException(problem, RestStatus.BAD_REQUEST);
    }

    private static Origin origin(CoordinatedInferenceAction.Request request) {
        if (request.getHighPriority()) {
            return Origin.SEARCH;
        }
        return request.getPrefixType() == PrefixType.INGEST ? Origin.INGEST : Origin.API;
    }

    private static InferModelAction.Response response(List<Evaluation> evaluations, String id) {
        List<InferenceResults> results = evaluations.stream().map(TransportCoordinatedInference::result).toList();
        return new InferModelAction.Response(results, id, true);
    }

    private static InferenceResults result(Evaluation evaluation) {
        List<WeightedToken> tokens = evaluation.tokens().entrySet().stream()
            .map(token -> new WeightedToken(token.getKey(), token.getValue()))
            .toList();
        return new TextExpansionResults(InferenceConfig.DEFAULT_RESULTS_FIELD, tokens, evaluation.truncated());
    }
}
