package localml.ml;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.elasticsearch.action.ActionRequestValidationException;
import org.elasticsearch.common.xcontent.XContentHelper;
import org.elasticsearch.xcontent.XContentParser;
import org.elasticsearch.xcontent.XContentParserConfiguration;
import org.elasticsearch.xpack.core.ml.inference.assignment.AdaptiveAllocationsSettings;

/** The settings {@code adaptive_allocations} of x-pack-core between their class and JSON. */
final class Adaptive {
    private Adaptive() {}

    static Map<String, Object> toMap(AdaptiveAllocationsSettings settings) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("enabled", settings.getEnabled());
        map.put("min_number_of_allocations", settings.getMinNumberOfAllocations());
        map.put("max_number_of_allocations", settings.getMaxNumberOfAllocations());
        map.values().removeIf(value -> value == null);
        return map;
    }

    /** The settings after changes; null when they reset them. What makes no sense then is refused as a request is. */
    static AdaptiveAllocationsSettings merge(AdaptiveAllocationsSettings now, AdaptiveAllocationsSettings changes) {
        if (changes == AdaptiveAllocationsSettings.RESET_PLACEHOLDER) {
            return null;
        }
        AdaptiveAllocationsSettings merged = now == null ? changes : now.merge(changes);
        ActionRequestValidationException invalid = merged.validate();
        if (invalid != null) {
            throw invalid;
        }
        return merged;
    }

    /** Null for null; what is no such setting is an IllegalArgumentException. */
    @SuppressWarnings("unchecked")
    static AdaptiveAllocationsSettings fromMap(Object map) {
        if (map == null) {
            return null;
        }
        var configuration = XContentParserConfiguration.EMPTY;
        try (XContentParser parser = XContentHelper.mapToXContentParser(configuration, (Map<String, Object>) map)) {
            return AdaptiveAllocationsSettings.parseRequest(parser);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
