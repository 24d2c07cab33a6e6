package localml.ml;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.xcontent.XContentHelper;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.json.JsonXContent;

/** One JSON file in the data folder, replaced as a whole: what the real node keeps in cluster state and system indices. */
final class StateStore {
    private final Path file;

    StateStore(Path file) {
        this.file = file;
    }

    /** What was last written, or an empty map. */
    Map<String, Object> read() {
        if (Files.exists(file) == false) {
            return Map.of();
        }
        try {
            return XContentHelper.convertToMap(JsonXContent.jsonXContent, Files.readString(file), true);
        } catch (IOException e) {
            throw new UncheckedIOException("could not read [" + file + "]", e);
        }
    }

    void write(Map<String, Object> state) {
        Path next = file.resolveSibling(file.getFileName() + ".next");
        try (XContentBuilder json = JsonXContent.contentBuilder().prettyPrint()) {
            Files.createDirectories(file.getParent());
            Files.writeString(next, Strings.toString(json.map(state)));
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE);
        } catch (IOException e) {
            throw new UncheckedIOException("could not write [" + file + "]", e);
        }
    }
}
