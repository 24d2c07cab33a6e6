package org.elasticsearch.node;

import java.util.List;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.ClassPathPlugins;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsService;

/**
 * A real {@link Node} whose plugins are instances instead of zip files.
 *
 * <p>It lies in Elasticsearch's own package because {@link NodeConstruction} and {@link NodeServiceProvider} are
 * package-private; for the same reason everything runs from the class path, not from modules.
 */
public class LocalNode extends Node {
    public LocalNode(Environment environment, List<Plugin> plugins) {
        super(NodeConstruction.prepareConstruction(environment, null, new NodeServiceProvider() {
            @Override
            PluginsService newPluginService(Environment env, PluginsLoader loader) {
                return new ClassPathPlugins(env, plugins);
            }
        }, true));
    }
}
