package localml.rest;

import java.util.Set;
import localml.ml.Deployment;
import localml.ml.Deployments;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.ElasticsearchTimeoutException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.support.ContextPreservingActionListener;
import org.elasticsearch.action.support.SubscribableListener;
import org.elasticsearch.cluster.metadata.ProjectId;
import org.elasticsearch.cluster.service.ClusterService;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.ingest.IngestMetadata;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.xpack.core.ml.utils.InferenceProcessorInfoExtractor;

/** What the handlers about deployments share. */
abstract class DeploymentHandler extends BaseRestHandler {
    final Services services;

    /** What the handlers work with. */
    public record Services(Deployments deployments, ClusterService clusterService, ThreadPool threadPool, int queueCapacity) {
        Set<String> modelIdsInPipelines() {
            IngestMetadata ingest = clusterService.state().metadata().getProject(ProjectId.DEFAULT).custom(IngestMetadata.TYPE);
            return InferenceProcessorInfoExtractor.getModelIdsFromInferenceProcessors(ingest);
        }
    }

    DeploymentHandler(Services services) {
        this.services = services;
    }

    /** Brings the request's context, product header included, to whatever thread answers. */
    <T> ActionListener<T> inContext(ActionListener<T> listener) {
        return ContextPreservingActionListener.wrapPreservingContext(listener, services.threadPool().getThreadContext());
    }

    /** Tells the listener when the deployment has started, failed to start, or not started in time (408). */
    void whenStarted(Deployment deployment, TimeValue timeout, ActionListener<Void> listener) {
        SubscribableListener<Void> waiting = new SubscribableListener<>();
        deployment.started().addListener(waiting);
        waiting.addTimeout(timeout, services.threadPool(), services.threadPool().generic());
        waiting.addListener(listener.delegateResponse((next, e) -> next.onFailure(
            e instanceof ElasticsearchTimeoutException ? timedOut(timeout) : e
        )));
    }

    private static ElasticsearchStatusException timedOut(TimeValue timeout) {
        return new ElasticsearchStatusException(
            "Timed out after [" + timeout + "] waiting for model deployment to start. Use the trained model stats API to track "
                + "the state of the deployment. Configure the timeout value with the `timeout` url parameter",
            RestStatus.REQUEST_TIMEOUT
        );
    }
}
