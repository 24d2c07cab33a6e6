package localml.ml;

import java.util.Map;
import org.elasticsearch.cluster.node.DiscoveryNode;

/**
 * How the ML nodes are described. All of them live in this one server: the first is the server itself, each further
 * one is a copy of it with a name and an id of its own.
 */
final class MlNodes {
    private MlNodes() {}

    static DiscoveryNode describe(DiscoveryNode local, int number) {
        if (number == 1) {
            return local;
        }
        String suffix = "-" + number;
        return new DiscoveryNode(
            local.getName() + suffix,
            local.getId() + suffix,
            local.getEphemeralId() + suffix,
            local.getHostName(),
            local.getHostAddress(),
            local.getAddress(),
            Map.copyOf(local.getAttributes()),
            local.getRoles(),
            local.getVersionInformation(),
            local.getExternalId() + suffix
        );
    }
}
