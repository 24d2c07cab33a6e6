package localml.ml;

/**
 * Where an inference request comes from.
 *
 * <p>Only searches are of high priority (SparseVectorQueryBuilder, and the inference API with input type search);
 * the control messages that rank above both in Elasticsearch need no queue here.
 */
public enum Origin {
    INGEST,
    API,
    SEARCH;

    boolean isHighPriority() {
        return this == SEARCH;
    }
}
