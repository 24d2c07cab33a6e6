package localml.http;

import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import org.apache.lucene.util.BytesRef;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.common.bytes.BytesReference;
import org.elasticsearch.common.bytes.ReleasableBytesReference;
import org.elasticsearch.common.recycler.Recycler;
import org.elasticsearch.http.HttpResponse;
import org.elasticsearch.rest.ChunkedRestResponseBodyPart;

/** A response, either whole or in parts that are still to be rendered. */
final class JdkHttpResponse implements HttpResponse {
    private static final int CHUNK_BYTES = 1 << 14;
    private static final int NO_BODY = -1;
    private static final int CHUNKED = 0;

    private final int status;
    private final BytesReference whole;
    private final ChunkedRestResponseBodyPart firstPart;
    private final Map<String, List<String>> headers = new LinkedHashMap<>();
    private ActionListener<Void> listener;

    JdkHttpResponse(int status, BytesReference whole, ChunkedRestResponseBodyPart firstPart) {
        this.status = status;
        this.whole = whole;
        this.firstPart = firstPart;
    }

    void whenSent(ActionListener<Void> toTell) {
        listener = toTell;
    }

    void sent() {
        listener.onResponse(null);
    }

    @Override
    public void addHeader(String name, String value) {
        headers.computeIfAbsent(name, n -> new ArrayList<>()).add(value);
    }

    @Override
    public boolean containsHeader(String name) {
        return headers.keySet().stream().anyMatch(name::equalsIgnoreCase);
    }

    void writeTo(HttpExchange exchange, Recycler<BytesRef> recycler) throws IOException, ExecutionException, InterruptedException {
        boolean head = exchange.getRequestMethod().equals("HEAD");
        headers.forEach((name, values) -> {
            // The JDK's server sets the length itself, but not for HEAD.
            if (head || name.equalsIgnoreCase("Content-Length") == false) {
                exchange.getResponseHeaders().put(name, values);
            }
        });
        if (head) {
            exchange.sendResponseHeaders(status, NO_BODY);
        } else if (whole != null) {
            exchange.sendResponseHeaders(status, whole.length() == 0 ? NO_BODY : whole.length());
            whole.writeTo(exchange.getResponseBody());
        } else {
            exchange.sendResponseHeaders(status, CHUNKED);
            writeParts(exchange.getResponseBody(), recycler);
        }
    }

    private void writeParts(OutputStream out, Recycler<BytesRef> recycler) throws IOException, ExecutionException, InterruptedException {
        ChunkedRestResponseBodyPart part = firstPart;
        while (true) {
            while (part.isPartComplete() == false) {
                try (ReleasableBytesReference chunk = part.encodeChunk(CHUNK_BYTES, recycler)) {
                    chunk.writeTo(out);
                }
            }
            if (part.isLastPart()) {
                return;
            }
            CompletableFuture<ChunkedRestResponseBodyPart> next = new CompletableFuture<>();
            part.getNextPart(ActionListener.wrap(next::complete, next::completeExceptionally));
            part = next.get();
        }
    }
}
