package localml.http;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.BiConsumer;
import java.util.zip.GZIPInputStream;
import localml.fault.Faults;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.apache.lucene.util.BytesRef;
import org.elasticsearch.common.bytes.BytesArray;
import org.elasticsearch.common.network.NetworkService;
import org.elasticsearch.common.recycler.Recycler;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.util.concurrent.ThreadContext;
import org.elasticsearch.http.AbstractHttpServerTransport;
import org.elasticsearch.http.HttpBody;
import org.elasticsearch.http.HttpPreRequest;
import org.elasticsearch.http.HttpServerChannel;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.telemetry.tracing.Tracer;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.xcontent.NamedXContentRegistry;

/**
 * Elasticsearch's HTTP layer over the JDK's server, since transport-netty4 is not published: requests reach the real
 * RestController, which parses, versions and renders. A thread serves each exchange, so that long bulks block nobody.
 */
public final class JdkHttpTransport extends AbstractHttpServerTransport {
    private static final Logger LOGGER = LogManager.getLogger(JdkHttpTransport.class);
    private static final int BACKLOG = 256;

    /** What AbstractHttpServerTransport wants, and what this one adds. */
    public record Services(
        Settings settings,
        NetworkService network,
        Recycler<BytesRef> recycler,
        ThreadPool threadPool,
        NamedXContentRegistry registry,
        Dispatcher dispatcher,
        ClusterSettings clusterSettings,
        Tracer tracer,
        BiConsumer<HttpPreRequest, ThreadContext> perRequestContext,
        Faults faults
    ) {}

    private final BiConsumer<HttpPreRequest, ThreadContext> perRequestContext;
    private final HttpFaults faults;
    private final Set<JdkHttpChannel> open = ConcurrentHashMap.newKeySet();
    private final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task, HttpServerTransport.HTTP_SERVER_WORKER_THREAD_NAME_PREFIX);
        thread.setDaemon(true);
        return thread;
    });
    private HttpServer server;

    public JdkHttpTransport(Services s) {
        super(
            s.settings(), s.network(), s.recycler(), s.threadPool(), s.registry(), s.dispatcher(), s.clusterSettings(), s.tracer()
        );
        this.perRequestContext = s.perRequestContext();
        this.faults = new HttpFaults(s.faults());
    }

    @Override
    protected HttpServerChannel bind(InetSocketAddress address) throws IOException {
        server = HttpServer.create(address, BACKLOG);
        server.setExecutor(threads);
        server.createContext("/", this::handle);
        server.start();
        return new JdkHttpChannel.Server(server);
    }

    @Override
    protected void doStart() {
        bindServer();
    }

    @Override
    protected void stopInternal() {
        open.forEach(JdkHttpChannel::close);
        if (server != null) {
            server.stop(0);
        }
        threads.shutdown();
    }

    @Override
    protected void populatePerRequestThreadContext(RestRequest request, ThreadContext context) {
        perRequestContext.accept(request.getHttpRequest(), context);
    }

    private void handle(HttpExchange exchange) {
        JdkHttpChannel channel = new JdkHttpChannel(exchange);
        open.add(channel);
        try {
            serve(exchange, channel);
        } catch (IOException e) {
            LOGGER.debug("lost the client of [{}]: {}", exchange.getRequestURI(), e.getMessage());
        } catch (ExecutionException e) {
            LOGGER.error("could not answer [" + exchange.getRequestURI() + "]", e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            exchange.close();
            open.remove(channel);
            channel.close();
        }
    }

    private void serve(HttpExchange exchange, JdkHttpChannel channel) throws IOException, ExecutionException, InterruptedException {
        byte[] body = body(exchange);
        if (body == null) {
            exchange.getResponseHeaders().set("X-elastic-product", "Elasticsearch");
            exchange.sendResponseHeaders(413, -1);
            return;
        }
        if (faults.before(exchange)) {
            return;
        }
        serverAcceptedChannel(channel);
        HttpBody content = body.length == 0 ? HttpBody.empty() : HttpBody.fromBytesReference(new BytesArray(body));
        incomingRequest(new JdkHttpRequest(exchange, content), channel);
        JdkHttpResponse response = channel.response().get();
        if (faults.after(exchange) == false) {
            response.writeTo(exchange, recycler);
        }
        response.sent();
    }

    /** The request's body, unzipped; null when it is longer than http.max_content_length. */
    private byte[] body(HttpExchange exchange) throws IOException {
        boolean zipped = "gzip".equalsIgnoreCase(exchange.getRequestHeaders().getFirst("Content-Encoding"));
        int limit = (int) Math.min(maxContentLength.getBytes(), Integer.MAX_VALUE - 16);
        InputStream raw = exchange.getRequestBody();
        byte[] body = (zipped ? new GZIPInputStream(raw) : raw).readNBytes(limit + 1);
        return body.length > limit ? null : body;
    }
}
