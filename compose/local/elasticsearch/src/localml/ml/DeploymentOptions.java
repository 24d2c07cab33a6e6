package localml.ml;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a deployment finds around it, which a cluster would give it by its size and its settings.
 *
 * @param nodes over how many ML nodes its allocations are spread
 * @param adaptiveIntervalMs the time between two ticks of adaptive allocations
 * @param scaleToZeroMs how long without requests until adaptive allocations without a minimum go to zero
 * @param scaleUpCooldownMs how long after they have grown adaptive allocations can't shrink
 */
public record DeploymentOptions(int nodes, long adaptiveIntervalMs, long scaleToZeroMs, long scaleUpCooldownMs) {
    public DeploymentOptions {
        if (nodes < 1 || adaptiveIntervalMs < 1 || scaleToZeroMs < 1 || scaleUpCooldownMs < 0) {
            throw new IllegalArgumentException("[scale_up_cooldown_ms] can't be negative, the other options must be at least 1");
        }
    }

    /** By the names that the API gives them. */
    Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("nodes", nodes);
        map.put("adaptive_interval_ms", adaptiveIntervalMs);
        map.put("scale_to_zero_ms", scaleToZeroMs);
        map.put("scale_up_cooldown_ms", scaleUpCooldownMs);
        return map;
    }

    /** The same with some of them changed; what it does not know is an IllegalArgumentException. */
    DeploymentOptions with(Map<String, Object> changes) {
        Map<String, Object> merged = Changes.merge(toMap(), changes);
        return new DeploymentOptions(
            (int) number(merged, "nodes"),
            number(merged, "adaptive_interval_ms"),
            number(merged, "scale_to_zero_ms"),
            number(merged, "scale_up_cooldown_ms")
        );
    }

    private static long number(Map<String, Object> map, String key) {
        return ((Number) map.get(key)).longValue();
    }
}
