package localml.ml;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a deployment finds around it, which a cluster would give it by its size and its settings.
 *
 * @param nodes over how many ML nodes its allocations are spread
 */
public record DeploymentOptions(int nodes) {
    public DeploymentOptions {
        if (nodes < 1) {
            throw new IllegalArgumentException("[nodes] must be at least 1");
        }
    }

    /** By the names that the API gives them. */
    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("nodes", nodes);
        return map;
    }

    /** The same with some of them changed; what it does not know is an IllegalArgumentException. */
    DeploymentOptions with(Map<String, Object> changes) {
        Map<String, Object> merged = Changes.merge(toMap(), changes);
        return new DeploymentOptions(((Number) merged.get("nodes")).intValue());
    }
}
