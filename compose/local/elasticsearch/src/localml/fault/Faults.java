package localml.fault;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Predicate;

/** The faults that are set, by name, and the questions that the node asks before it does what a fault may change. */
public final class Faults {
    private final Map<String, Fault> faults = new ConcurrentSkipListMap<>();
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();

    /** Runs after every change of the faults. */
    public void onChange(Runnable listener) {
        listeners.add(listener);
    }

    public void set(Fault fault) {
        faults.put(fault.name(), fault);
        changed();
    }

    /** Removes one fault; false when there is none of this name. */
    public boolean remove(String name) {
        boolean removed = faults.remove(name) != null;
        changed();
        return removed;
    }

    /** Removes this fault, unless another was set under its name meanwhile. */
    public void expire(Fault fault) {
        if (faults.remove(fault.name(), fault)) {
            changed();
        }
    }

    public void clear() {
        faults.clear();
        changed();
    }

    public Map<String, Fault> all() {
        return new TreeMap<>(faults);
    }

    private void changed() {
        listeners.forEach(Runnable::run);
    }

    private Fault firstOf(Kind kind, String deploymentId) {
        for (Fault fault : faults.values()) {
            if (fault.kind() == kind && fault.concerns(deploymentId)) {
                return fault;
            }
        }
        return null;
    }

    public boolean isStalled(String deploymentId) {
        return firstOf(Kind.STALL, deploymentId) != null;
    }

    public boolean isLost(String deploymentId) {
        return firstOf(Kind.LOSE_DEPLOYMENT, deploymentId) != null;
    }

    /** Whether the ML node with this number is gone, from the deployment's point of view. */
    public boolean isNodeDown(String deploymentId, int node) {
        return faults.values().stream().anyMatch(
            fault -> fault.kind() == Kind.KILL_NODE && fault.concerns(deploymentId) && fault.number("node", 0) == node
        );
    }

    /** Whether this ingest request is to be refused as if the queue were full. */
    public boolean rejectsItem(String deploymentId) {
        for (Fault fault : faults.values()) {
            if (fault.kind() == Kind.REJECT_ITEMS && fault.concerns(deploymentId) && fault.strikes()) {
                return true;
            }
        }
        return false;
    }

    /** How long an inference of {@code timeMs} milliseconds takes. */
    public double slowed(String deploymentId, double timeMs) {
        Fault fault = firstOf(Kind.SLOW, deploymentId);
        return fault == null ? timeMs : timeMs * fault.number("factor", 1) + fault.number("delay_ms", 0);
    }

    /** The first fault of this kind that is meant and strikes a request for {@code path}, else null. */
    public Fault strikes(Kind kind, String path, Predicate<Fault> meant) {
        for (Fault fault : faults.values()) {
            if (fault.kind() == kind && fault.concernsPath(path) && meant.test(fault) && fault.strikes()) {
                return fault;
            }
        }
        return null;
    }
}
