package localml;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.LocalNode;
import org.elasticsearch.node.Node;

/** Starts one Elasticsearch node with the local ML node in it: {@code localml.Main path.home=DIR http.port=N ...}. */
public final class Main {
    private static final String NODE_NAME = "local";
    private static final TimeValue RECOVERY_TIMEOUT = TimeValue.timeValueSeconds(30);

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        configureHttpServer();
        Settings settings = settings(arguments);
        Path config = Path.of(settings.get("path.home")).resolve("config");
        Files.createDirectories(config);
        configureLogging(settings);
        Node node = new LocalNode(new Environment(settings, config), List.of(new LocalMlPlugin()));
        CountDownLatch closed = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, closed), "close-node"));
        node.start();
        awaitShards(node);
        var address = node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress();
        System.out.println("ready http=127.0.0.1:" + address.getPort());
        closed.await();
    }

    private static void configureHttpServer() {
        // Without TCP_NODELAY every chunked response waits 40 ms for the delayed acknowledgement.
        System.setProperty("sun.net.httpserver.nodelay", "true");
        // Elasticsearch keeps idle connections; the JDK's server would close them after 30 s, under a client's feet.
        System.setProperty("sun.net.httpserver.idleInterval", Long.toString(Duration.ofDays(1).toSeconds()));
        System.setProperty("sun.net.httpserver.maxIdleConnections", "10000");
    }

    /** Waits until what was there before a restart can be searched; after the time-out it is served as far as it goes. */
    private static void awaitShards(Node node) {
        node.client().admin().cluster().prepareHealth(RECOVERY_TIMEOUT)
            .setWaitForYellowStatus()
            .setTimeout(RECOVERY_TIMEOUT)
            .get();
    }

    private static Settings settings(String[] arguments) {
        Settings.Builder builder = Settings.builder()
            .put("node.name", NODE_NAME)
            .put("cluster.name", "local")
            .put("discovery.type", "single-node")
            .put("transport.type", LocalMlPlugin.TRANSPORT)
            .put("http.type", LocalMlPlugin.HTTP)
            .put("http.host", "127.0.0.1")
            .put("network.host", "127.0.0.1")
            // Bulks may wait for inference for ever; without a limit the node would wait for them when it stops.
            .put("http.shutdown_grace_period", "1s")
            // Disk watermarks would make the index read-only on a nearly full developer machine.
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (String argument : arguments) {
            int equals = argument.indexOf('=');
            if (equals < 1) {
                throw new IllegalArgumentException("expected key=value, got [" + argument + "]");
            }
            builder.put(argument.substring(0, equals), argument.substring(equals + 1));
        }
        Settings settings = builder.build();
        if (settings.hasValue("path.home") == false) {
            throw new IllegalArgumentException("path.home is missing, give path.home=DIR");
        }
        return settings;
    }

    private static void configureLogging(Settings settings) {
        LogConfigurator.loadLog4jPlugins();
        LogConfigurator.configureESLogging();
        LogConfigurator.configureWithoutConfig(settings);
        LogConfigurator.setNodeName(NODE_NAME);
    }

    private static void close(Node node, CountDownLatch closed) {
        try {
            node.close();
        } catch (IOException e) {
            e.printStackTrace();
        } finally {
            closed.countDown();
        }
    }
}
