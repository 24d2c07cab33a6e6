package localml.ingest;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import org.elasticsearch.ElasticsearchException;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.client.internal.Client;
import org.elasticsearch.cluster.metadata.ProjectId;
import org.elasticsearch.core.TimeValue;
import org.elasticsearch.inference.InferenceResults;
import org.elasticsearch.ingest.AbstractProcessor;
import org.elasticsearch.ingest.ConfigurationUtils;
import org.elasticsearch.ingest.IngestDocument;
import org.elasticsearch.ingest.Processor;
import org.elasticsearch.xpack.core.ml.action.CoordinatedInferenceAction;
import org.elasticsearch.xpack.core.ml.action.InferModelAction;
import org.elasticsearch.xpack.core.ml.inference.TrainedModelPrefixStrings;

/**
 * The {@code inference} ingest processor (x-pack-ml's InferenceProcessor is not published): one inference request per
 * document for all its inputs, without a timeout; a failure goes on to the pipeline as it is, and x-pack-core writes
 * the results, appending to what is already there.
 */
public final class InferenceProcessor extends AbstractProcessor {
    public static final String TYPE = "inference";
    private static final TimeValue NO_TIMEOUT = InferModelAction.Request.DEFAULT_TIMEOUT_FOR_INGEST;

    private record Input(String field, String outputBase, String outputField) {}

    private final Client client;
    private final String modelId;
    private final List<Input> inputs;
    private final boolean ignoreMissing;
    private final Map<String, String> fieldMap;
    private final String targetField;

    private InferenceProcessor(String tag, String description, Client client, Map<String, Object> config) {
        super(tag, description);
        this.client = client;
        this.modelId = ConfigurationUtils.readStringProperty(TYPE, tag, config, "model_id");
        // For ELSER it can only repeat the default.
        ConfigurationUtils.readOptionalMap(TYPE, tag, config, "inference_config");
        List<Map<String, Object>> pairs = ConfigurationUtils.readOptionalList(TYPE, tag, config, "input_output");
        this.inputs = pairs == null ? null : pairs.stream().map(pair -> input(tag, pair)).toList();
        if (inputs != null) {
            refuseBothForms(tag, config);
            this.ignoreMissing = ConfigurationUtils.readBooleanProperty(TYPE, tag, config, "ignore_missing", false);
            this.fieldMap = null;
            this.targetField = null;
        } else {
            this.ignoreMissing = false;
            Map<String, String> map = ConfigurationUtils.readOptionalMap(TYPE, tag, config, "field_map");
            this.fieldMap = map == null ? Map.of() : map;
            String target = tag == null ? "ml.inference" : "ml.inference." + tag;
            this.targetField = ConfigurationUtils.readStringProperty(TYPE, tag, config, "target_field", target);
        }
    }

    private static void refuseBothForms(String tag, Map<String, Object> config) {
        for (String key : List.of("target_field", "field_map")) {
            if (config.containsKey(key)) {
                throw ConfigurationUtils.newConfigurationException(
                    TYPE,
                    tag,
                    key,
                    "option is incompatible with [input_output]. "
                        + "Use the [output_field] option to specify where to write the inference results to."
                );
            }
        }
    }

    private static Input input(String tag, Map<String, Object> pair) {
        String field = ConfigurationUtils.readStringProperty(TYPE, tag, pair, "input_field");
        String output = ConfigurationUtils.readStringProperty(TYPE, tag, pair, "output_field");
        int dot = output.lastIndexOf('.');
        return new Input(field, dot < 0 ? null : output.substring(0, dot), output.substring(dot + 1));
    }

    @Override
    public String getType() {
        return TYPE;
    }

    @Override
    public boolean isAsync() {
        return true;
    }

    @Override
    public IngestDocument execute(IngestDocument document) {
        throw new UnsupportedOperationException("should never be called");
    }

    @Override
    public void execute(IngestDocument document, BiConsumer<IngestDocument, Exception> handler) {
        CoordinatedInferenceAction.Request request = inputs == null ? mapRequest(document) : textRequest(document);
        if (request == null) {
            handler.accept(document, null);
            return;
        }
        request.setPrefixType(TrainedModelPrefixStrings.PrefixType.INGEST);
        client.execute(
            CoordinatedInferenceAction.INSTANCE,
            request,
            ActionListener.wrap(response -> write(response, document, handler), e -> handler.accept(document, e))
        );
    }

    /**
     * All inputs as texts, or null when there is nothing to infer. With ignore_missing a missing first input skips the
     * whole processor even if later ones are there, and a missing later one is sent as an empty text.
     */
    private CoordinatedInferenceAction.Request textRequest(IngestDocument document) {
        List<String> texts = new ArrayList<>();
        boolean any = false;
        for (Input input : inputs) {
            String text = text(document, input.field());
            any |= text != null;
            texts.add(text == null ? "" : text);
            if (any == false) {
                return null;
            }
        }
        return CoordinatedInferenceAction.Request.forTextInput(modelId, texts, null, false, NO_TIMEOUT);
    }

    private String text(IngestDocument document, String field) {
        try {
            return document.getFieldValue(field, String.class, ignoreMissing);
        } catch (IllegalArgumentException e) {
            if (document.hasField(field)) {
                throw new IllegalArgumentException(
                    "input field [" + field + "] cannot be processed because it is not a text field"
                );
            }
            throw e;
        }
    }

    private CoordinatedInferenceAction.Request mapRequest(IngestDocument document) {
        Map<String, Object> fields = new HashMap<>(document.getSourceAndMetadata());
        fieldMap.forEach((from, to) -> {
            if (document.hasField(from)) {
                fields.put(to, document.getFieldValue(from, Object.class));
            }
        });
        return CoordinatedInferenceAction.Request.forMapInput(
            modelId, List.of(fields), null, false, NO_TIMEOUT, CoordinatedInferenceAction.Request.RequestModelType.UNKNOWN
        );
    }

    private void write(InferModelAction.Response response, IngestDocument document, BiConsumer<IngestDocument, Exception> handler) {
        String id = response.getId() == null ? modelId : response.getId();
        List<InferenceResults> results = response.getInferenceResults();
        try {
            if (inputs == null) {
                InferenceResults.writeResult(results.get(0), document, targetField, id);
            } else {
                for (int i = 0; i < inputs.size(); i++) {
                    Input input = inputs.get(i);
                    InferenceResults.writeResultToField(
                        results.get(i), document, input.outputBase(), input.outputField(), id, i == 0
                    );
                }
            }
        } catch (ElasticsearchException e) {
            handler.accept(document, e);
            return;
        }
        handler.accept(document, null);
    }

    /** Creates the processor from a pipeline's definition. */
    public record Factory(Client client) implements Processor.Factory {
        @Override
        public Processor create(
            Map<String, Processor.Factory> registry, String tag, String description, Map<String, Object> config, ProjectId project
        ) {
            return new InferenceProcessor(tag, description, client, config);
        }
    }
}
