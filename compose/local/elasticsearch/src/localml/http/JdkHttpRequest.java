package localml.http;

import com.sun.net.httpserver.HttpExchange;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.elasticsearch.common.bytes.BytesReference;
import org.elasticsearch.http.HttpBody;
import org.elasticsearch.http.HttpRequest;
import org.elasticsearch.http.HttpResponse;
import org.elasticsearch.rest.ChunkedRestResponseBodyPart;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestStatus;

/** A request that has arrived completely. */
final class JdkHttpRequest implements HttpRequest {
    private final String method;
    private final String uri;
    private final Map<String, List<String>> headers;
    private HttpBody body;

    JdkHttpRequest(HttpExchange exchange, HttpBody body) {
        this(exchange.getRequestMethod(), exchange.getRequestURI().toString(), copy(exchange.getRequestHeaders()), body);
        // Was undone while reading.
        headers.remove("Content-Encoding");
    }

    private JdkHttpRequest(String method, String uri, Map<String, List<String>> headers, HttpBody body) {
        this.method = method;
        this.uri = uri;
        this.headers = headers;
        this.body = body;
    }

    private static Map<String, List<String>> copy(Map<String, List<String>> headers) {
        Map<String, List<String>> copy = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        headers.forEach((name, values) -> copy.put(name, new ArrayList<>(values)));
        return copy;
    }

    @Override
    public RestRequest.Method method() {
        try {
            return RestRequest.Method.valueOf(method);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("Unexpected http method: " + method, e);
        }
    }

    @Override
    public String uri() {
        return uri;
    }

    @Override
    public Map<String, List<String>> getHeaders() {
        return headers;
    }

    @Override
    public HttpBody body() {
        return body;
    }

    @Override
    public void setBody(HttpBody replacement) {
        body = replacement;
    }

    @Override
    public List<String> strictCookies() {
        return List.of();
    }

    @Override
    public HttpVersion protocolVersion() {
        return HttpVersion.HTTP_1_1;
    }

    @Override
    public HttpRequest removeHeader(String header) {
        Map<String, List<String>> others = copy(headers);
        others.remove(header);
        return new JdkHttpRequest(method, uri, others, body);
    }

    @Override
    public HttpResponse createResponse(RestStatus status, BytesReference content) {
        return new JdkHttpResponse(status.getStatus(), content, null);
    }

    @Override
    public HttpResponse createResponse(RestStatus status, ChunkedRestResponseBodyPart firstPart) {
        return new JdkHttpResponse(status.getStatus(), null, firstPart);
    }

    @Override
    public Exception getInboundException() {
        return null;
    }

    @Override
    public boolean hasContent() {
        return body.isFull() && body.asFull().bytes().length() > 0;
    }

    @Override
    public void release() {}
}
