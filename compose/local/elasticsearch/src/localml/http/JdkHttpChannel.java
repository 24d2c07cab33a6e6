package localml.http;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.CompletableFuture;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.support.SubscribableListener;
import org.elasticsearch.common.network.CloseableChannel;
import org.elasticsearch.http.HttpChannel;
import org.elasticsearch.http.HttpResponse;
import org.elasticsearch.http.HttpServerChannel;

/** One exchange as Elasticsearch's channel: takes the response and keeps it for the exchange's thread. */
final class JdkHttpChannel extends Closing implements HttpChannel {
    private final HttpExchange exchange;
    private final CompletableFuture<JdkHttpResponse> response = new CompletableFuture<>();

    JdkHttpChannel(HttpExchange exchange) {
        this.exchange = exchange;
    }

    CompletableFuture<JdkHttpResponse> response() {
        return response;
    }

    @Override
    public void sendResponse(HttpResponse answer, ActionListener<Void> listener) {
        JdkHttpResponse own = (JdkHttpResponse) answer;
        own.whenSent(listener);
        response.complete(own);
    }

    @Override
    public void close() {
        response.completeExceptionally(new IOException("the channel was closed"));
        super.close();
    }

    @Override
    public InetSocketAddress getLocalAddress() {
        return exchange.getLocalAddress();
    }

    @Override
    public InetSocketAddress getRemoteAddress() {
        return exchange.getRemoteAddress();
    }

    /** The listening socket. */
    static final class Server extends Closing implements HttpServerChannel {
        private final HttpServer server;
        private final InetSocketAddress address;

        Server(HttpServer server) {
            this.server = server;
            this.address = server.getAddress();
        }

        @Override
        public void close() {
            server.stop(0);
            super.close();
        }

        @Override
        public InetSocketAddress getLocalAddress() {
            return address;
        }
    }
}

/** The open or closed state that both kinds of channels have. */
abstract class Closing implements CloseableChannel {
    private final SubscribableListener<Void> closed = new SubscribableListener<>();

    @Override
    public void close() {
        closed.onResponse(null);
    }

    @Override
    public void addCloseListener(ActionListener<Void> listener) {
        closed.addListener(listener);
    }

    @Override
    public boolean isOpen() {
        return closed.isDone() == false;
    }
}
