package localml.fault;

import java.util.Arrays;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/** The kinds of faults, each with the keys that its body must and may have beside {@code kind}. */
public enum Kind {
    /** Inferences take {@code factor} times as long, and {@code delay_ms} longer. */
    SLOW(Set.of(), Set.of("deployment", "factor", "delay_ms")),
    /** The allocations take nothing from the queue. */
    STALL(Set.of(), Set.of("deployment")),
    /** A share of the ingest inference requests is refused as if the queue were full. */
    REJECT_ITEMS(Set.of("share"), Set.of("seed", "count", "deployment")),
    /** One encoder process is killed; happens once and does not stay. */
    CRASH_PROCESS(Set.of("deployment"), Set.of()),
    /** An ML node is gone with all that it had; the deployments' allocations are not moved. */
    KILL_NODE(Set.of("node"), Set.of("seconds", "deployment")),
    /** The deployment's task can't be found (es#146806). */
    LOSE_DEPLOYMENT(Set.of("deployment"), Set.of()),
    /** Connections are closed without an answer, {@code when} before or after processing. */
    DROP_CONNECTIONS(Set.of(), Set.of("share", "seed", "count", "when", "path")),
    /** Whole requests are answered with {@code status}. */
    HTTP_STATUS(Set.of("status"), Set.of("path", "share", "seed", "count")),
    /** Whole writes are answered with the 429 of the coordinating stage. */
    INDEXING_PRESSURE(Set.of(), Set.of("share", "seed", "count"));

    final Set<String> required;
    final Set<String> optional;

    Kind(Set<String> required, Set<String> optional) {
        this.required = required;
        this.optional = optional;
    }

    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }

    static Kind parse(Object text) {
        for (Kind kind : values()) {
            if (kind.label().equals(text)) {
                return kind;
            }
        }
        String known = Arrays.stream(values()).map(Kind::label).collect(Collectors.joining(", "));
        throw new IllegalArgumentException("unknown fault kind [" + text + "], known are [" + known + "]");
    }
}
