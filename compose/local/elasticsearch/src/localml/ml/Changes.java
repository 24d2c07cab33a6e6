package localml.ml;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** Changes of numbers that are known by their names. */
final class Changes {
    private Changes() {}

    /** The numbers after the changes; a name that is not among them, or what is no number, is an IllegalArgumentException. */
    static Map<String, Object> merge(Map<String, Object> numbers, Map<String, Object> changes) {
        Set<String> unknown = new TreeSet<>(changes.keySet());
        unknown.removeAll(numbers.keySet());
        if (unknown.isEmpty() == false) {
            throw new IllegalArgumentException("unknown keys " + unknown + ", known are " + new TreeSet<>(numbers.keySet()));
        }
        changes.forEach((name, value) -> {
            if ((value instanceof Number) == false) {
                throw new IllegalArgumentException("[" + name + "] must be a number");
            }
        });
        Map<String, Object> merged = new LinkedHashMap<>(numbers);
        merged.putAll(changes);
        return merged;
    }
}
