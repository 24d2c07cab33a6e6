package localml.rest;

import java.util.List;
import org.elasticsearch.rest.RestRequest;

/** The part of a list that {@code from} and {@code size} ask for. */
record Page(int from, int size) {
    static Page of(RestRequest request) {
        return new Page(request.paramAsInt("from", 0), request.paramAsInt("size", 100));
    }

    /** Whether an expression names exactly one thing, so that its absence is a 404 whatever allow_no_match says. */
    static boolean isExact(String expression) {
        return expression != null && expression.contains("*") == false && expression.contains(",") == false;
    }

    <T> List<T> cut(List<T> all) {
        return all.stream().skip(from).limit(size).toList();
    }
}
