package localml.ml;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.ResourceAlreadyExistsException;
import org.elasticsearch.ResourceNotFoundException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.common.ValidationException;
import org.elasticsearch.common.unit.ByteSizeValue;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xpack.core.ml.inference.assignment.AdaptiveAllocationsSettings;
import org.elasticsearch.xpack.core.ml.inference.assignment.Priority;
import org.elasticsearch.xpack.core.ml.utils.ExceptionsHelper;

/**
 * The inference endpoints of the service "elasticsearch": each with a deployment of its own, which has its id, or
 * attached to one (x-pack-inference's ElasticsearchInternalService).
 */
public final class InferenceEndpoints {
    /** Listed by every cluster; gets its deployment with the first inference. */
    public static final Endpoint PRECONFIGURED = new Endpoint(
        ".elser-2-elasticsearch",
        Map.of("num_threads", 1, "num_allocations", 1, "model_id", Models.ELSER),
        defaultChunking()
    );
    private static final String NUM_ALLOCATIONS = "num_allocations";
    private static final String ADAPTIVE = "adaptive_allocations";

    private final Deployments deployments;
    private final int queueCapacity;

    public InferenceEndpoints(Deployments deployments, int queueCapacity) {
        this.deployments = deployments;
        this.queueCapacity = queueCapacity;
    }

    private static Map<String, Object> defaultChunking() {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("strategy", "sentence");
        settings.put("max_chunk_size", 250);
        settings.put("sentence_overlap", 1);
        return settings;
    }

    public List<Endpoint> all() {
        List<Endpoint> all = new ArrayList<>();
        all.add(PRECONFIGURED);
        all.addAll(deployments.endpoints().values());
        return all;
    }

    public boolean exists(String id) {
        return PRECONFIGURED.id().equals(id) || deployments.endpoints().containsKey(id);
    }

    public Endpoint require(String id) {
        Endpoint endpoint = PRECONFIGURED.id().equals(id) ? PRECONFIGURED : deployments.endpoints().get(id);
        if (endpoint == null) {
            throw new ResourceNotFoundException("Inference endpoint not found [{}]", id);
        }
        return endpoint;
    }

    /** Creates an endpoint and, unless it is attached to one, its deployment; returns the deployment to wait for. */
    public Deployment create(Endpoint endpoint) {
        String id = endpoint.id();
        if (exists(id)) {
            throw new ResourceAlreadyExistsException("Inference endpoint [{}] already exists", id);
        }
        if (Models.exists(id)) {
            throw ExceptionsHelper.badRequestException(
                "Inference endpoint IDs must be unique. Requested inference endpoint ID [{}] matches existing trained model ID(s) "
                    + "but must not.",
                id
            );
        }
        Deployment deployment = endpoint.ownsDeployment()
            ? deployments.start(params(endpoint))
            : deployments.require(endpoint.deploymentId());
        deployments.putEndpoint(endpoint);
        return deployment;
    }


    /** Deletes an endpoint and the deployment that it owns. */
    public void delete(Endpoint endpoint) {
        if (endpoint.ownsDeployment() && deployments.get(endpoint.id()) != null) {
            deployments.stop(endpoint.id());
        }
        deployments.removeEndpoint(endpoint.id());
    }

    public void infer(String id, List<String> texts, Origin origin, TimeValue timeout, ActionListener<List<Evaluation>> listener) {
        Endpoint endpoint = require(id);
        if (endpoint != PRECONFIGURED || deployments.get(id) != null) {
            deployments.infer(endpoint.deploymentId(), texts, origin, timeout, listener);
            return;
        }
        deployments.start(params(endpoint)).started().addListener(listener.delegateFailureAndWrap(
            (next, ignored) -> deployments.infer(id, texts, origin, timeout, next)
        ));
    }

    private DeploymentParams params(Endpoint endpoint) {
        Map<String, Object> settings = endpoint.serviceSettings();
        String model = (String) settings.get("model_id");
        return new DeploymentParams(
            model,
            endpoint.id(),
            allocations(settings),
            (int) settings.get("num_threads"),
            queueCapacity,
            ByteSizeValue.ofBytes(Models.bytes(model)),
            Priority.NORMAL,
            Adaptive.fromMap(settings.get(ADAPTIVE))
        );
    }

    /** As StartTrainedModelDeploymentAction.Request counts them: adaptive ones begin with their minimum, or one. */
    private static int allocations(Map<String, Object> settings) {
        AdaptiveAllocationsSettings adaptive = Adaptive.fromMap(settings.get(ADAPTIVE));
        if (settings.get(NUM_ALLOCATIONS) instanceof Integer given) {
            return given;
        }
        Integer least = adaptive.getMinNumberOfAllocations();
        return least == null || least == 0 ? 1 : least;
    }

    /** Checks the body of a PUT and gives it the form in which the API prints it. */
    public Endpoint parse(String id, Map<String, Object> body) {
        if ("elasticsearch".equals(body.get("service")) == false) {
            throw new ElasticsearchStatusException(
                "Unknown service [" + body.get("service") + "]", RestStatus.BAD_REQUEST
            );
        }
        Map<String, Object> given = map(body, "service_settings");
        Map<String, Object> settings = given.containsKey("deployment_id") ? attached(given) : own(given);
        Map<String, Object> chunking = map(body, "chunking_settings");
        return new Endpoint(id, settings, chunking.isEmpty() ? defaultChunking() : chunking);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> map(Map<String, Object> body, String key) {
        return (Map<String, Object>) body.getOrDefault(key, Map.of());
    }

    private Map<String, Object> attached(Map<String, Object> given) {
        DeploymentParams params = deployments.require((String) given.get("deployment_id")).params();
        Object model = given.getOrDefault("model_id", params.modelId());
        if (model.equals(params.modelId()) == false) {
            throw new ElasticsearchStatusException(
                "Deployment [" + params.deploymentId() + "] uses model [" + params.modelId()
                    + "] which does not match the model [" + model + "] in the request.",
                RestStatus.BAD_REQUEST
            );
        }
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("num_allocations", params.allocations());
        settings.put("num_threads", params.threadsPerAllocation());
        settings.put("model_id", model);
        settings.put("deployment_id", params.deploymentId());
        return settings;
    }

    private static Map<String, Object> own(Map<String, Object> given) {
        ValidationException errors = new ValidationException();
        if (given.containsKey(ADAPTIVE)) {
            ActionRequestValidationException invalid = Adaptive.fromMap(given.get(ADAPTIVE)).validate();
            if (invalid != null) {
                errors.addValidationErrors(invalid.validationErrors());
            }
        } else if (given.containsKey(NUM_ALLOCATIONS) == false) {
            errors.addValidationError(
                "[service_settings] does not contain one of the required settings [" + NUM_ALLOCATIONS + ", " + ADAPTIVE + "]"
            );
        }
        for (String key : List.of(NUM_ALLOCATIONS, "num_threads")) {
            boolean optional = key.equals(NUM_ALLOCATIONS) && given.containsKey(key) == false;
            if (optional == false && (given.get(key) instanceof Integer number && number > 0) == false) {
                errors.addValidationError("[service_settings] does not contain the required setting [" + key + "]");
            }
        }
        if ((given.get("model_id") instanceof String) == false) {
            errors.addValidationError("[service_settings] does not contain the required setting [model_id]");
        }
        errors.throwIfValidationErrorsExist();
        Map<String, Object> settings = new LinkedHashMap<>();
        for (String key : List.of(NUM_ALLOCATIONS, "num_threads", "model_id", ADAPTIVE)) {
            if (given.containsKey(key)) {
                settings.put(key, given.get(key));
            }
        }
        return settings;
    }
}
