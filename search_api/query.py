"""From a request to the body of an Elasticsearch search: which part asks what, and what stays out of the answer."""

from __future__ import annotations

from search_api import filters
from search_api.model import Json, SearchRequest, Tokens
from search_api.settings import IndexSettings


def body(request: SearchRequest, index: IndexSettings, tokens: Tokens | None, timeout_ms: int) -> Json:
    """Return the search for `request`; `tokens` are its query's, None in lexical mode (see `needs_tokens`).

    Raises InvalidRequest when a filter does not fit the index.
    """
    return {
        "query": _query(request, index, tokens),
        "size": request.size,
        "_source": _source(index),
        # Counting all matches would forbid skipping those that cannot make the list.
        "track_total_hits": False,
        "timeout": f"{timeout_ms}ms",
    }


def check(request: SearchRequest, index: IndexSettings) -> None:
    """Raise InvalidRequest when a filter of `request` does not fit `index`."""
    filters.clauses(request.filters, index.filters)


def needs_tokens(request: SearchRequest) -> bool:
    """Return whether `request` asks by meaning."""
    return request.mode != "lexical"


def _query(request: SearchRequest, index: IndexSettings, tokens: Tokens | None) -> Json:
    query: Json = {"should": _parts(request, index, tokens), "minimum_should_match": 1}
    if clauses := filters.clauses(request.filters, index.filters):
        query["filter"] = clauses
    return {"bool": query}


def _parts(request: SearchRequest, index: IndexSettings, tokens: Tokens | None) -> list[Json]:
    hybrid = request.mode == "hybrid"
    parts = []
    if tokens is not None:
        parts.append(_semantic(index, tokens, index.semantic_boost if hybrid else 1.0))
    if request.mode != "semantic":
        parts.append(_lexical(index, request.query, index.lexical_boost if hybrid else 1.0))
    return parts


def _semantic(index: IndexSettings, tokens: Tokens, boost: float) -> Json:
    field = {"field": index.semantic_field, "query_vector": tokens, "prune": index.prune, "boost": boost}
    return {"sparse_vector": field}


def _lexical(index: IndexSettings, text: str, boost: float) -> Json:
    fields = [f"{name}^{weight:g}" for name, weight in index.lexical_fields.items()]
    return {"multi_match": {"query": text, "type": index.lexical_type, "fields": fields, "boost": boost}}


def _source(index: IndexSettings) -> Json:
    hidden: Json = {"excludes": list(index.hidden)}
    return {"includes": index.result_fields, **hidden} if index.result_fields else hidden
