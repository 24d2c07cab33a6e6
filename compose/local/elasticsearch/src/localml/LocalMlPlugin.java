package localml;

import java.io.IOException;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import localml.analysis.EnglishAnalysis;
import localml.fault.Faults;
import localml.http.JdkHttpTransport;
import localml.http.LocalTransport;
import localml.ingest.InferenceProcessor;
import localml.ml.DeploymentOptions;
import localml.ml.Deployments;
import localml.ml.EncoderProcess;
import localml.ml.InferenceEndpoints;
import localml.ml.TransportCoordinatedInference;
import localml.reindex.TransportReindex;
import localml.rest.Handlers;
import org.apache.lucene.analysis.Analyzer;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.network.NetworkService;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Setting;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.common.util.BigArrays;
import org.elasticsearch.common.util.PageCacheRecycler;
import org.elasticsearch.common.util.concurrent.ThreadContext;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.env.Environment;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.http.HttpPreRequest;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.index.analysis.AnalyzerProvider;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.reindex.BulkByScrollTask;
import org.elasticsearch.index.reindex.ReindexAction;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.indices.breaker.CircuitBreakerService;
import org.elasticsearch.ingest.IngestService;
import org.elasticsearch.ingest.Processor;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.IngestPlugin;
import org.elasticsearch.plugins.NetworkPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.SearchPlugin;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.tasks.Task;
import org.elasticsearch.telemetry.tracing.Tracer;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.transport.BytesRefRecycler;
import org.elasticsearch.transport.Transport;
import org.elasticsearch.xcontent.NamedXContentRegistry;
import org.elasticsearch.xcontent.XContentParser;
import org.elasticsearch.xcontent.XContentParserConfiguration;
import org.elasticsearch.xcontent.json.JsonXContent;
import org.elasticsearch.xpack.core.ml.action.CoordinatedInferenceAction;
import org.elasticsearch.xpack.core.ml.search.SparseVectorQueryBuilder;

/** The local ML node and what else the published server core lacks, as one plugin. */
public final class LocalMlPlugin extends Plugin implements ActionPlugin, AnalysisPlugin, IngestPlugin, NetworkPlugin, SearchPlugin {
    static final String TRANSPORT = "local";
    static final String HTTP = "jdk";

    /** The command that starts one encoder process: a JSON array of strings. */
    private static final Setting<String> ENCODER_COMMAND = Setting.simpleString(
        "local_ml.encoder.command", "[]", Setting.Property.NodeScope
    );

    /**
     * The queue capacity of deployments that are started without one. 1,024 is documented and was the default before
     * 9.1; 9.1.0's own class says 10,000.
     */
    private static final Setting<Integer> QUEUE_CAPACITY = Setting.intSetting(
        "local_ml.queue_capacity", 1024, 1, Setting.Property.NodeScope
    );

    /** Over how many ML nodes the allocations of a deployment are spread; all of them live in this one server. */
    private static final Setting<Integer> NODES = Setting.intSetting("local_ml.nodes", 1, 1, Setting.Property.NodeScope);

    /** The tick of adaptive allocations, which is fixed in Elasticsearch. */
    private static final Setting<TimeValue> ADAPTIVE_INTERVAL = Setting.positiveTimeSetting(
        "local_ml.adaptive_allocations.interval", TimeValue.timeValueSeconds(10), Setting.Property.NodeScope
    );

    private static final Setting<TimeValue> SCALE_TO_ZERO_TIME = Setting.positiveTimeSetting(
        "xpack.ml.trained_models.adaptive_allocations.scale_to_zero_time", TimeValue.timeValueHours(24), Setting.Property.NodeScope
    );

    private static final Setting<TimeValue> SCALE_UP_COOLDOWN_TIME = Setting.positiveTimeSetting(
        "xpack.ml.trained_models.adaptive_allocations.scale_up_cooldown_time",
        TimeValue.timeValueMinutes(5),
        Setting.Property.NodeScope
    );

    private final Faults faults = new Faults();
    private IngestService ingestService;
    private Handlers handlers;

    @Override
    public List<Setting<?>> getSettings() {
        return List.of(ENCODER_COMMAND, QUEUE_CAPACITY, NODES, ADAPTIVE_INTERVAL, SCALE_TO_ZERO_TIME, SCALE_UP_COOLDOWN_TIME);
    }

    @Override
    public List<NamedWriteableRegistry.Entry> getNamedWriteables() {
        return List.of(new NamedWriteableRegistry.Entry(
            Task.Status.class, BulkByScrollTask.Status.NAME, BulkByScrollTask.Status::new
        ));
    }

    @Override
    public Collection<?> createComponents(PluginServices services) {
        Environment environment = services.environment();
        Settings settings = environment.settings();
        var launch = new EncoderProcess.Launch(command(settings), environment.logsDir().resolve("encoder.log"));
        Deployments deployments = new Deployments(
            services.threadPool(), faults, launch, environment.dataDirs()[0], options(settings)
        );
        int queueCapacity = QUEUE_CAPACITY.get(settings);
        InferenceEndpoints endpoints = new InferenceEndpoints(deployments, queueCapacity);
        handlers = new Handlers(
            deployments, endpoints, faults, services.clusterService(), services.threadPool(), queueCapacity
        );
        return List.of(deployments, endpoints);
    }

    private static DeploymentOptions options(Settings settings) {
        return new DeploymentOptions(
            NODES.get(settings),
            ADAPTIVE_INTERVAL.get(settings).millis(),
            SCALE_TO_ZERO_TIME.get(settings).millis(),
            SCALE_UP_COOLDOWN_TIME.get(settings).millis()
        );
    }

    private static List<String> command(Settings settings) {
        String json = ENCODER_COMMAND.get(settings);
        try (XContentParser parser = JsonXContent.jsonXContent.createParser(XContentParserConfiguration.EMPTY, json)) {
            return parser.list().stream().map(Object::toString).toList();
        } catch (IOException e) {
            throw new IllegalArgumentException(ENCODER_COMMAND.getKey() + " must be a JSON array of strings, got [" + json + "]", e);
        }
    }

    @Override
    public Collection<RestHandler> getRestHandlers(
        Settings settings,
        NamedWriteableRegistry writeables,
        RestController controller,
        ClusterSettings clusterSettings,
        IndexScopedSettings indexSettings,
        SettingsFilter filter,
        IndexNameExpressionResolver resolver,
        Supplier<DiscoveryNodes> nodes,
        Predicate<NodeFeature> features
    ) {
        return handlers.all(ingestService);
    }

    @Override
    public Collection<ActionHandler> getActions() {
        return List.of(
            new ActionHandler(CoordinatedInferenceAction.INSTANCE, TransportCoordinatedInference.class),
            new ActionHandler(ReindexAction.INSTANCE, TransportReindex.class)
        );
    }

    @Override
    public Map<String, Processor.Factory> getProcessors(Processor.Parameters parameters) {
        ingestService = parameters.ingestService;
        return Map.of(InferenceProcessor.TYPE, new InferenceProcessor.Factory(parameters.client));
    }

    @Override
    public List<QuerySpec<?>> getQueries() {
        return List.of(
            new QuerySpec<>(SparseVectorQueryBuilder.NAME, SparseVectorQueryBuilder::new, SparseVectorQueryBuilder::fromXContent)
        );
    }

    @Override
    public Map<String, AnalysisProvider<AnalyzerProvider<? extends Analyzer>>> getAnalyzers() {
        return EnglishAnalysis.analyzers();
    }

    @Override
    public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return EnglishAnalysis.tokenFilters();
    }

    @Override
    public Map<String, Supplier<Transport>> getTransports(
        Settings settings,
        ThreadPool threadPool,
        PageCacheRecycler recycler,
        CircuitBreakerService breakers,
        NamedWriteableRegistry writeables,
        NetworkService network
    ) {
        return Map.of(TRANSPORT, LocalTransport::new);
    }

    @Override
    public Map<String, Supplier<HttpServerTransport>> getHttpTransports(
        Settings settings,
        ThreadPool threadPool,
        BigArrays arrays,
        PageCacheRecycler recycler,
        CircuitBreakerService breakers,
        NamedXContentRegistry registry,
        NetworkService network,
        HttpServerTransport.Dispatcher dispatcher,
        BiConsumer<HttpPreRequest, ThreadContext> perRequestContext,
        ClusterSettings clusterSettings,
        Tracer tracer
    ) {
        var services = new JdkHttpTransport.Services(
            settings,
            network,
            new BytesRefRecycler(recycler),
            threadPool,
            registry,
            dispatcher,
            clusterSettings,
            tracer,
            perRequestContext,
            faults
        );
        return Map.of(HTTP, () -> new JdkHttpTransport(services));
    }
}
