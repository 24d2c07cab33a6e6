package localml.rest;

import java.util.ArrayList;
import java.util.List;
import localml.ml.InferenceEndpoints;
import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.inference.TaskType;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestStatus;

/** What the handlers of inference endpoints share: their paths, with or without the task type. */
abstract class InferenceHandler extends DeploymentHandler {
    final InferenceEndpoints endpoints;

    InferenceHandler(Services services, InferenceEndpoints endpoints) {
        super(services);
        this.endpoints = endpoints;
    }

    /** A task type and an endpoint's id as named by a path. */
    record Target(TaskType taskType, String id) {}

    static List<Route> routes(RestRequest.Method method) {
        return new ArrayList<>(List.of(
            new Route(method, "/_inference/{task_type_or_id}"),
            new Route(method, "/_inference/{task_type_or_id}/{inference_id}")
        ));
    }

    static Target target(RestRequest request) {
        String first = request.param("task_type_or_id");
        String second = request.param("inference_id");
        if (second == null) {
            return new Target(TaskType.ANY, first);
        }
        TaskType taskType = TaskType.fromStringOrStatusException(first);
        if (taskType.isAnyOrSame(TaskType.SPARSE_EMBEDDING) == false) {
            throw new ElasticsearchStatusException(
                "The local ML node has only [sparse_embedding] endpoints, not [" + taskType + "]", RestStatus.BAD_REQUEST
            );
        }
        return new Target(taskType, second);
    }
}
