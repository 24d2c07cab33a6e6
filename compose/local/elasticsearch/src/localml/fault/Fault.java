package localml.fault;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/** One fault that is set: its kind, its parameters and what is left of it. */
public final class Fault {
    private static final Set<Integer> STATUSES = Set.of(400, 413, 429, 503);
    private static final Set<String> MOMENTS = Set.of("before", "after");

    private final String name;
    private final Kind kind;
    private final Map<String, Object> parameters;
    private final Random random;
    private long struck;

    private Fault(String name, Kind kind, Map<String, Object> parameters) {
        this.name = name;
        this.kind = kind;
        this.parameters = parameters;
        this.random = new Random((long) number("seed", 0));
    }

    /** Parses the body of {@code PUT /_local/faults/{name}}; what it does not know is an IllegalArgumentException. */
    public static Fault parse(String name, Map<String, Object> body) {
        Kind kind = Kind.parse(body.get("kind"));
        Map<String, Object> parameters = new LinkedHashMap<>(body);
        parameters.remove("kind");
        Set<String> unknown = new TreeSet<>(parameters.keySet());
        unknown.removeAll(kind.required);
        unknown.removeAll(kind.optional);
        if (unknown.isEmpty() == false) {
            throw new IllegalArgumentException("unknown keys " + unknown + " for fault kind [" + kind.label() + "]");
        }
        Set<String> missing = new TreeSet<>(kind.required);
        missing.removeAll(parameters.keySet());
        if (missing.isEmpty() == false) {
            throw new IllegalArgumentException("missing keys " + missing + " for fault kind [" + kind.label() + "]");
        }
        Fault fault = new Fault(name, kind, parameters);
        fault.validate();
        return fault;
    }

    private void validate() {
        text("deployment", null);
        text("path", null);
        double share = number("share", 1);
        require(share > 0 && share <= 1, "[share] must be in (0, 1]");
        require(number("count", 1) >= 1, "[count] must be at least 1");
        require(number("factor", 1) >= 1 && number("delay_ms", 0) >= 0, "[factor] must be at least 1, [delay_ms] at least 0");
        double node = number("node", 1);
        require(node >= 1 && node == (int) node, "[node] must be the number of a node, from 1");
        require(number("seconds", 1) > 0, "[seconds] must be above 0");
        require(MOMENTS.contains(text("when", "before")), "[when] must be one of " + new TreeSet<>(MOMENTS));
        require(
            kind != Kind.HTTP_STATUS || STATUSES.contains((int) number("status", 0)),
            "[status] must be one of " + new TreeSet<>(STATUSES)
        );
    }

    private static void require(boolean condition, String message) {
        if (condition == false) {
            throw new IllegalArgumentException(message);
        }
    }

    public String name() {
        return name;
    }

    public Kind kind() {
        return kind;
    }

    public double number(String key, double otherwise) {
        Object value = parameters.getOrDefault(key, otherwise);
        require(value instanceof Number, "[" + key + "] must be a number");
        return ((Number) value).doubleValue();
    }

    public String text(String key, String otherwise) {
        Object value = parameters.getOrDefault(key, otherwise);
        require(value == null || value instanceof String, "[" + key + "] must be a string");
        return (String) value;
    }

    boolean concerns(String deploymentId) {
        String deployment = text("deployment", null);
        return deployment == null || deployment.equals(deploymentId);
    }

    boolean concernsPath(String path) {
        String part = text("path", null);
        return part == null || path.contains(part);
    }

    /** Draws whether the fault hits this time; each hit uses up one of its {@code count}. */
    synchronized boolean strikes() {
        if (struck >= number("count", Double.POSITIVE_INFINITY)) {
            return false;
        }
        boolean hit = random.nextDouble() < number("share", 1);
        struck += hit ? 1 : 0;
        return hit;
    }

    /** As shown by {@code GET /_local/faults}: the body it was set with, and how often it has struck. */
    public synchronized Map<String, Object> toMap() {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("kind", kind.label());
        map.putAll(parameters);
        map.put("struck", struck);
        return map;
    }
}
