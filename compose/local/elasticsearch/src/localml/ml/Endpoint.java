package localml.ml;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A sparse_embedding inference endpoint of the service "elasticsearch".
 *
 * @param serviceSettings as printed by the API; a {@code deployment_id} in it means that the endpoint was attached to
 *     a deployment that it does not own
 * @param chunkingSettings as printed by the API
 */
public record Endpoint(String id, Map<String, Object> serviceSettings, Map<String, Object> chunkingSettings) {

    /** The deployment that serves the endpoint: its own has the endpoint's id. */
    public String deploymentId() {
        return ownsDeployment() ? id : (String) serviceSettings.get("deployment_id");
    }

    public boolean ownsDeployment() {
        return serviceSettings.containsKey("deployment_id") == false;
    }

    public Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("inference_id", id);
        map.put("task_type", "sparse_embedding");
        map.put("service", "elasticsearch");
        map.put("service_settings", serviceSettings);
        map.put("chunking_settings", chunkingSettings);
        return map;
    }

    @SuppressWarnings("unchecked")
    static Endpoint fromMap(Map<String, Object> map) {
        return new Endpoint(
            (String) map.get("inference_id"),
            (Map<String, Object>) map.get("service_settings"),
            (Map<String, Object>) map.get("chunking_settings")
        );
    }
}
