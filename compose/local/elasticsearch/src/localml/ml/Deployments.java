package localml.ml;

import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntUnaryOperator;
import localml.fault.Faults;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.common.ValidationException;
import org.elasticsearch.common.component.AbstractLifecycleComponent;
import org.elasticsearch.common.util.Maps;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.xpack.core.ml.inference.assignment.AdaptiveAllocationsSettings;
import org.elasticsearch.xpack.core.ml.inference.assignment.AssignmentState;
import org.elasticsearch.xpack.core.ml.utils.ExceptionsHelper;

/** The deployments of this node and the inference endpoints over them; both come back after a restart. */
public final class Deployments extends AbstractLifecycleComponent {
    private static final Logger LOGGER = LogManager.getLogger(Deployments.class);

    private final ThreadPool threadPool;
    private final Faults faults;
    private final EncoderProcess.Launch launch;
    private final StateStore store;
    private final Map<String, Deployment> deployments = new ConcurrentSkipListMap<>();
    private final Map<String, Endpoint> endpoints = new ConcurrentSkipListMap<>();
    private final Map<String, SyntheticModel.Parameters> synthetic = new ConcurrentHashMap<>();
    private final Map<String, DeploymentOptions> options = new ConcurrentHashMap<>();
    private final DeploymentOptions usual;
    private final AtomicInteger waiting = new AtomicInteger();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "local-ml-synthetic");
        thread.setDaemon(true);
        return thread;
    });

    /** {@code usual} are the options of deployments for which no others were set. */
    public Deployments(ThreadPool threadPool, Faults faults, EncoderProcess.Launch launch, Path dataFolder, DeploymentOptions usual) {
        this.threadPool = threadPool;
        this.faults = faults;
        this.launch = launch;
        this.store = new StateStore(dataFolder.resolve("local_ml.json"));
        this.usual = usual;
        faults.onChange(() -> deployments.values().forEach(Deployment::faultsChanged));
    }

    @Override
    protected void doStart() {
        Map<String, Object> state = store.read();
        named(state, "synthetic").forEach((id, kept) -> synthetic.put(id, SyntheticModel.Parameters.DEFAULT.with(kept)));
        named(state, "options").forEach((id, kept) -> options.put(id, usual.with(kept)));
        objects(state, "endpoints").stream().map(Endpoint::fromMap).forEach(e -> endpoints.put(e.id(), e));
        objects(state, "deployments").stream().map(DeploymentParams::fromMap).forEach(this::launch);
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Map<String, Object>> named(Map<String, Object> state, String key) {
        return (Map<String, Map<String, Object>>) state.getOrDefault(key, Map.of());
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> objects(Map<String, Object> state, String key) {
        return (List<Map<String, Object>>) state.getOrDefault(key, List.of());
    }

    @Override
    protected void doStop() {
        deployments.values().parallelStream().forEach(Deployment::stop);
        timer.shutdownNow();
    }

    @Override
    protected void doClose() {}

    // ---- deployments

    public Collection<Deployment> all() {
        return deployments.values();
    }

    /** The deployment with this id, or null. */
    public Deployment get(String deploymentId) {
        return deployments.get(deploymentId);
    }

    /** Like {@link #get}, but an unknown id is the API's 404. */
    public Deployment require(String deploymentId) {
        Deployment deployment = deployments.get(deploymentId);
        if (deployment == null) {
            throw ExceptionsHelper.missingModelDeployment(deploymentId);
        }
        return deployment;
    }

    /** Creates and starts a deployment; refusals as in TransportStartTrainedModelDeploymentAction. */
    public synchronized Deployment start(DeploymentParams params) {
        String id = params.deploymentId();
        if (Models.exists(params.modelId()) == false) {
            throw ExceptionsHelper.missingTrainedModel(params.modelId());
        }
        if (deployments.containsKey(id)) {
            throw new ElasticsearchStatusException(
                "Could not start model deployment because an existing deployment with the same id [" + id + "] exist",
                RestStatus.BAD_REQUEST
            );
        }
        if (Models.exists(id) && id.equals(params.modelId()) == false) {
            throw ExceptionsHelper.badRequestException(
                "Deployment id [{}] is the same as an another model which is not the model being deployed. "
                    + "Deployment id can be the same as the model being deployed but cannot match a different model",
                id
            );
        }
        Deployment deployment = launch(params);
        persist();
        return deployment;
    }

    private Deployment launch(DeploymentParams params) {
        Evaluator.Factory factory = Models.isSynthetic(params.modelId())
            ? events -> SyntheticModel.start(timer, () -> synthetic(params.deploymentId()), events)
            : events -> EncoderProcess.start(launch, params, events);
        var environment = new ProcessContext.Environment(threadPool, faults, factory);
        var node = new Deployment.Node(environment, waiting, change -> rescale(params.deploymentId(), change));
        Deployment deployment = new Deployment(params, options(params.deploymentId()), node);
        deployments.put(params.deploymentId(), deployment);
        deployment.start();
        return deployment;
    }

    /** Stops and forgets a deployment; returns when its processes have ended. */
    public void stop(String deploymentId) {
        Deployment deployment = require(deploymentId);
        deployment.stop();
        synchronized (this) {
            deployments.remove(deploymentId, deployment);
            persist();
        }
    }

    /**
     * Changes the number of allocations, or whether and how it adapts, whichever is given
     * (TrainedModelAssignmentClusterService).
     */
    public synchronized Deployment update(String deploymentId, Integer allocations, AdaptiveAllocationsSettings adaptive) {
        Deployment deployment = require(deploymentId);
        if (adaptive != null) {
            deployment.adapt(Adaptive.merge(deployment.params().adaptive(), adaptive));
        }
        if (allocations != null) {
            if (deployment.params().isAdaptive()) {
                throw new ValidationException().addValidationError(
                    "[number_of_allocations] cannot be set if adaptive allocations is enabled"
                );
            }
            deployment.scaleTo(allocations);
        }
        persist();
        return deployment;
    }

    private synchronized void rescale(String deploymentId, IntUnaryOperator change) {
        Deployment deployment = deployments.get(deploymentId);
        if (deployment == null) {
            return;
        }
        int now = deployment.params().allocations();
        int wanted = change.applyAsInt(now);
        if (wanted != now) {
            LOGGER.info("[{}] scaled from [{}] to [{}] allocations", deploymentId, now, wanted);
            deployment.scaleTo(wanted);
            persist();
        }
    }

    /** Whether {@code id} names a deployment or a model with deployments (TrainedModelAssignmentUtils). */
    public boolean isAssigned(String id) {
        return deployments.containsKey(id) || ofModel(id).isEmpty() == false;
    }

    private List<Deployment> ofModel(String modelId) {
        return deployments.values().stream().filter(d -> d.params().modelId().equals(modelId)).toList();
    }

    /**
     * The deployment with this id, else a random one of the model with this id, started ones first
     * (TransportInternalInferModelAction#pickAssignment); null when there is none.
     */
    private Deployment pick(String id) {
        Deployment exact = deployments.get(id);
        if (exact != null) {
            return exact;
        }
        List<Deployment> candidates = ofModel(id);
        List<Deployment> started = candidates.stream()
            .filter(d -> d.assignmentState() == AssignmentState.STARTED).toList();
        List<Deployment> best = started.isEmpty() ? candidates : started;
        return best.isEmpty() ? null : best.get(ThreadLocalRandom.current().nextInt(best.size()));
    }

    /** Evaluates texts by a deployment or model id. */
    public void infer(String id, List<String> texts, Origin origin, TimeValue timeout, ActionListener<List<Evaluation>> listener) {
        Deployment deployment = pick(id);
        if (deployment == null) {
            listener.onFailure(notDeployed(id));
            return;
        }
        deployment.infer(texts, origin, timeout, listener);
    }

    private static Exception notDeployed(String id) {
        return Models.exists(id)
            ? ExceptionsHelper.conflictStatusException(
                "Model [" + id + "] must be deployed to use. Please deploy with the start trained model deployment API."
            )
            : ExceptionsHelper.missingTrainedModel(id);
    }

    // ---- endpoints

    public Map<String, Endpoint> endpoints() {
        return endpoints;
    }

    public synchronized void putEndpoint(Endpoint endpoint) {
        endpoints.put(endpoint.id(), endpoint);
        persist();
    }

    public synchronized void removeEndpoint(String id) {
        endpoints.remove(id);
        persist();
    }

    // ---- what is set for one deployment, which need not exist yet

    SyntheticModel.Parameters synthetic(String deploymentId) {
        return synthetic.getOrDefault(deploymentId, SyntheticModel.Parameters.DEFAULT);
    }

    private DeploymentOptions options(String deploymentId) {
        return options.getOrDefault(deploymentId, usual);
    }

    /** The synthetic model's parameters as this deployment uses them, by their names. */
    public Map<String, Object> syntheticParameters(String deploymentId) {
        return synthetic(deploymentId).toMap();
    }

    /** Changes the given parameters for the requests that this deployment takes from now on. */
    public synchronized void setSyntheticParameters(String deploymentId, Map<String, Object> changes) {
        synthetic.put(deploymentId, synthetic(deploymentId).with(changes));
        persist();
    }

    /** What this deployment will find around it at its next start, by names. */
    public Map<String, Object> optionsOf(String deploymentId) {
        return options(deploymentId).toMap();
    }

    /** Changes the given options for the next start of this deployment. */
    public synchronized void setOptions(String deploymentId, Map<String, Object> changes) {
        options.put(deploymentId, options(deploymentId).with(changes));
        persist();
    }

    // ---- persistence

    private void persist() {
        Map<String, Object> state = new LinkedHashMap<>();
        state.put("deployments", deployments.values().stream().map(d -> d.params().toMap()).toList());
        state.put("endpoints", endpoints.values().stream().map(Endpoint::toMap).toList());
        state.put("synthetic", Maps.transformValues(synthetic, SyntheticModel.Parameters::toMap));
        state.put("options", Maps.transformValues(options, DeploymentOptions::toMap));
        store.write(state);
    }
}
