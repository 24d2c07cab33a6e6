package localml.http;

import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import localml.fault.Fault;
import localml.fault.Faults;
import localml.fault.Kind;
import org.elasticsearch.common.Strings;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;
import org.elasticsearch.xcontent.json.JsonXContent;

/** The faults that hit whole requests; the route that sets faults is spared. */
final class HttpFaults {
    private static final String SPARED = "/_local/";
    private static final Pattern WRITE = Pattern.compile("/(_bulk|_doc|_create|_update)(/|$)");

    /** The text of IndexingPressure, with the figures of a node whose limit is reached. */
    private static final String PRESSURE = "rejected execution of coordinating operation "
        + "[coordinating_and_primary_bytes=107374182, replica_bytes=0, all_bytes=107374182, "
        + "coordinating_operation_bytes=1024, max_coordinating_bytes=107374182]";
    private static final String REJECTED = "es_rejected_execution_exception";

    private final Faults faults;

    HttpFaults(Faults faults) {
        this.faults = faults;
    }

    /** True when a fault has ended the exchange, so that the request must not be processed. */
    boolean before(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        if (path.startsWith(SPARED)) {
            return false;
        }
        if (drops(path, "before")) {
            exchange.close();
            return true;
        }
        boolean write = exchange.getRequestMethod().equals("GET") == false && WRITE.matcher(path).find();
        if (write && faults.strikes(Kind.INDEXING_PRESSURE, path, fault -> true) != null) {
            send(exchange, 429, REJECTED, PRESSURE);
            return true;
        }
        Fault status = faults.strikes(Kind.HTTP_STATUS, path, fault -> true);
        if (status != null) {
            sendStatus(exchange, status);
        }
        return status != null;
    }

    /** True when a fault has ended the exchange after the request was processed, so that nothing can be sent. */
    boolean after(HttpExchange exchange) {
        String path = exchange.getRequestURI().getPath();
        if (path.startsWith(SPARED) || drops(path, "after") == false) {
            return false;
        }
        exchange.close();
        return true;
    }

    private boolean drops(String path, String moment) {
        return faults.strikes(Kind.DROP_CONNECTIONS, path, fault -> fault.text("when", "before").equals(moment)) != null;
    }

    private static void sendStatus(HttpExchange exchange, Fault fault) throws IOException {
        int status = (int) fault.number("status", 0);
        String reason = "fault [" + fault.name() + "] answers with " + status + " " + RestStatus.fromCode(status);
        String type = status == 400 ? "illegal_argument_exception" : status == 429 ? REJECTED : "status_exception";
        if (status == 413) {
            // Elasticsearch answers an oversized request without a body.
            exchange.getResponseHeaders().set("X-elastic-product", "Elasticsearch");
            exchange.sendResponseHeaders(status, -1);
        } else {
            send(exchange, status, type, reason);
        }
    }

    private static void send(HttpExchange exchange, int status, String type, String reason) throws IOException {
        byte[] body = error(status, type, reason).getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("X-elastic-product", "Elasticsearch");
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        boolean head = exchange.getRequestMethod().equals("HEAD");
        exchange.sendResponseHeaders(status, head ? -1 : body.length);
        if (head == false) {
            exchange.getResponseBody().write(body);
        }
    }

    private static String error(int status, String type, String reason) throws IOException {
        try (XContentBuilder json = JsonXContent.contentBuilder()) {
            json.startObject().startObject("error").startArray("root_cause");
            json.startObject().field("type", type).field("reason", reason).endObject().endArray();
            json.field("type", type).field("reason", reason).endObject().field("status", status).endObject();
            return Strings.toString(json);
        }
    }
}
