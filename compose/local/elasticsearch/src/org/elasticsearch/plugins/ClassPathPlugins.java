package org.elasticsearch.plugins;

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.action.admin.cluster.node.info.PluginsAndModules;
import org.elasticsearch.env.Environment;

/** Hands plugin instances from the class path to the node; lies here because {@code LoadedPlugin} is package-private. */
public class ClassPathPlugins extends PluginsService {
    private final List<LoadedPlugin> loaded;

    public ClassPathPlugins(Environment environment, List<Plugin> plugins) {
        super(
            environment.settings(),
            environment.configDir(),
            PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false)
        );
        loaded = plugins.stream().map(ClassPathPlugins::load).toList();
    }

    private static LoadedPlugin load(Plugin plugin) {
        String name = plugin.getClass().getName();
        String java = Integer.toString(Runtime.version().feature());
        var descriptor = new PluginDescriptor(
            name, "on the class path", "NA", "NA", java, name, null, List.of(), false, false, false, false
        );
        return new LoadedPlugin(descriptor, plugin, ClassPathPlugins.class.getClassLoader());
    }

    @Override
    protected List<LoadedPlugin> plugins() {
        return loaded;
    }

    @Override
    public PluginsAndModules info() {
        return new PluginsAndModules(List.of(), List.of());
    }
}
