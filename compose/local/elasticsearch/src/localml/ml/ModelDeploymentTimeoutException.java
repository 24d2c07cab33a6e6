package localml.ml;

import org.elasticsearch.ElasticsearchStatusException;
import org.elasticsearch.rest.RestStatus;

/** Its name is the error's type in an answer. */
final class ModelDeploymentTimeoutException extends ElasticsearchStatusException {
    ModelDeploymentTimeoutException(String message) {
        super(message, RestStatus.REQUEST_TIMEOUT);
    }
}
