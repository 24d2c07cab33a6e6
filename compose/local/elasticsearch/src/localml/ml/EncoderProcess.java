package localml.ml;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.elasticsearch.common.Strings;
import org.elasticsearch.common.xcontent.XContentHelper;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.json.JsonXContent;

/**
 * An allocation in a child process that speaks JSON lines, as the real node has a native process.
 *
 * <p>The child first prints {@code {"ready":true,...}}; then it answers {@code {"id":1,"text":"..."}} with
 * {@code {"id":1,"tokens":{"token":1.25},"is_truncated":false,"time_ms":12.3}} or {@code {"id":1,"error":"..."}}.
 * As with the native process, requests are written ahead: the child reads and tokenizes the next text while its model
 * is at work. It ends when its standard input is closed, so that it can't outlive this JVM.
 */
public final class EncoderProcess implements Evaluator {
    private static final Logger LOGGER = LogManager.getLogger(EncoderProcess.class);
    private static final long GRACE_SECONDS = 5;
    /** One is computed and one waits in the pipe, which is enough to keep the model busy. */
    private static final int DEPTH = 2;

    private final String name;
    private final Events events;
    private final Process process;
    private final OutputStream requests;
    private final Map<Long, Consumer<Evaluation>> waiting = new ConcurrentHashMap<>();
    private long lastId;
    private volatile boolean closing;

    /** How to start a child: its command, and the file that takes its standard error. */
    public record Launch(List<String> command, Path log) {}

    static EncoderProcess start(Launch launch, DeploymentParams params, Events events) {
        if (launch.command().isEmpty()) {
            throw new UncheckedIOException("local_ml.encoder.command is not set", new IOException("no command"));
        }
        ProcessBuilder builder = new ProcessBuilder(launch.command())
            .redirectError(ProcessBuilder.Redirect.appendTo(launch.log().toFile()));
        builder.environment().put("LOCAL_ML_THREADS", Integer.toString(params.threadsPerAllocation()));
        try {
            Files.createDirectories(launch.log().getParent());
            return new EncoderProcess(params.deploymentId(), builder.start(), events);
        } catch (IOException e) {
            throw new UncheckedIOException("could not start the encoder process: " + e.getMessage(), e);
        }
    }

    private EncoderProcess(String deploymentId, Process process, Events events) {
        this.name = "[" + deploymentId + "] encoder process [" + process.pid() + "]";
        this.events = events;
        this.process = process;
        this.requests = process.getOutputStream();
        Thread reader = new Thread(this::read, "local-ml-encoder-" + process.pid());
        reader.setDaemon(true);
        reader.start();
    }

    @Override
    public int depth() {
        return DEPTH;
    }

    @Override
    public synchronized void evaluate(String text, Consumer<Evaluation> done) {
        long id = ++lastId;
        waiting.put(id, done);
        try {
            requests.write(requestLine(id, text));
            requests.flush();
        } catch (IOException e) {
            // The reader sees the end of the process and tells it.
            LOGGER.debug("{} takes no more requests: {}", name, e.getMessage());
        }
    }

    private static byte[] requestLine(long id, String text) throws IOException {
        try (XContentBuilder json = JsonXContent.contentBuilder()) {
            json.startObject().field("id", id).field("text", text).endObject();
            return (Strings.toString(json) + "\n").getBytes(StandardCharsets.UTF_8);
        }
    }

    private void read() {
        String failure = null;
        try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                accept(XContentHelper.convertToMap(JsonXContent.jsonXContent, line, true));
            }
        } catch (IOException | RuntimeException e) {
            failure = e.getMessage();
            process.destroyForcibly();
        }
        if (closing == false) {
            events.died(this, name + (failure == null ? " ended with exit code [" + exitCode() + "]" : ": " + failure));
        }
    }

    private void accept(Map<String, Object> message) {
        if (message.containsKey("ready")) {
            LOGGER.info("{} is ready: {}", name, message);
            events.ready(this);
            return;
        }
        Consumer<Evaluation> done = waiting.remove(((Number) message.get("id")).longValue());
        if (done == null) {
            throw new IllegalStateException("unexpected answer with id [" + message.get("id") + "]");
        }
        done.accept(evaluation(message));
    }

    private static Evaluation evaluation(Map<String, Object> message) {
        if (message.get("error") instanceof String error) {
            return new Evaluation(null, false, 0, error);
        }
        Map<String, Float> tokens = new LinkedHashMap<>();
        ((Map<?, ?>) message.get("tokens")).forEach(
            (token, weight) -> tokens.put((String) token, ((Number) weight).floatValue())
        );
        double timeMs = ((Number) message.get("time_ms")).doubleValue();
        return new Evaluation(tokens, Boolean.TRUE.equals(message.get("is_truncated")), timeMs, null);
    }

    private int exitCode() {
        try {
            return process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return -1;
        }
    }

    @Override
    public boolean crash() {
        process.destroyForcibly();
        return true;
    }

    @Override
    public void close() {
        closing = true;
        try {
            requests.close();
            if (process.waitFor(GRACE_SECONDS, TimeUnit.SECONDS) == false) {
                process.destroyForcibly().waitFor();
            }
        } catch (IOException e) {
            process.destroyForcibly();
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
