package localml.rest;

import java.util.List;
import localml.fault.Faults;
import localml.ml.Deployments;
import localml.ml.InferenceEndpoints;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.ingest.IngestService;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.threadpool.ThreadPool;

/** All REST handlers that this plugin adds. */
public record Handlers(
    Deployments deployments,
    InferenceEndpoints endpoints,
    Faults faults,
    ClusterService clusterService,
    ThreadPool threadPool,
    int queueCapacity
) {
    public List<RestHandler> all(IngestService ingestService) {
        var services = new DeploymentHandler.Services(deployments, clusterService, threadPool, queueCapacity);
        return List.of(
            new RestMainAction(clusterService),
            new RestStartDeployment(services),
            new RestStopDeployment(services),
            new RestUpdateDeployment(services),
            new RestGetTrainedModels(),
            new RestGetTrainedModelsStats(services, ingestService),
            new RestPutInference(services, endpoints),
            new RestGetInference(services, endpoints),
            new RestPostInference(services, endpoints),
            new RestDeleteInference(services, endpoints),
            new RestReindex(),
            new RestLocal(services, faults)
        );
    }
}
