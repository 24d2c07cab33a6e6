"""From a request to the body of an Elasticsearch search: which part asks what, and what stays out of the answer."""

from __future__ import annotations

from collections.abc import Sequence

from search_api.model import Json, Tokens
from search_api.query import facets, filters, parts, presentation
from search_api.query.facets import Facet
from search_api.query.filters import Condition, Filter
from search_api.query.modes import WIDEST
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings

WINDOW = 100
"""How many of the best of each part are fused, while no page goes beyond."""


def needs_tokens(request: SearchRequest) -> bool:
    """Return whether `request` asks by meaning."""
    return "semantic" in request.parts


def body(request: SearchRequest, index: IndexSettings, tokens: Tokens | None) -> Json:
    """Return the search for a `request` that `check` has passed.

    `tokens` are its query's, None where `needs_tokens` says so.
    Raises KeyError for a field that the index does not declare.
    """
    asked = _Asked(request, index, tokens)
    return {
        **(asked.by_rank() if request.by_rank else asked.by_score()),
        "size": request.size,
        "_source": presentation.source(request.fields, index),
        # Counting all matches would forbid skipping those that cannot make the list.
        "track_total_hits": request.total,
        **_optional(request, index),
    }


def counts(request: SearchRequest, index: IndexSettings, tokens: Tokens | None) -> Json | None:
    """Return the search that counts what the one of `body` cannot, or None; arguments and errors are the same.

    Those are the disjunctive facets of lists fused by rank. A retriever fuses the best of each part: a filter behind
    it, as `post_filter` is, would leave pages short, so that the facet's own filter has to stand inside.
    """
    open_counts = _Asked(request, index, tokens).counts_aside() if request.by_rank else {}
    return {**open_counts, "size": 0, "track_total_hits": False} if open_counts else None


def window(request: SearchRequest) -> int:
    """Return how many of the best of each part are fused."""
    if request.rrf.window is not None:
        return request.rrf.window
    return WINDOW if request.offset + request.size <= WINDOW else WIDEST


def _optional(request: SearchRequest, index: IndexSettings) -> Json:
    said: Json = {}
    if request.offset:
        said["from"] = request.offset
    if request.min_score is not None:
        said["min_score"] = request.min_score
    if request.sort:
        said["sort"] = presentation.order(request.sort, index.filters)
    if request.collapse:
        said["collapse"] = {"field": filters.name_of(request.collapse.field, index.filters)}
    if request.highlight:
        said["highlight"] = presentation.highlights(request.highlight, index, parts.lexical(request, index))
    return said


class _Asked:
    """Parts and filters of a request as clauses, to be put together."""

    def __init__(self, request: SearchRequest, index: IndexSettings, tokens: Tokens | None) -> None:
        self._request, self._declared = request, index.filters
        self._parts = [parts.semantic(request, index, tokens)] if tokens is not None else []
        if "lexical" in request.parts:
            self._parts.append(parts.lexical(request, index))
        # Filters on the very field of a disjunctive facet narrow the hits, but not that facet's counts.
        open_fields = {facet.field for facet in request.facets if facet.disjunctive}
        self._own = [one for one in request.filters if isinstance(one, Condition) and one.field in open_fields]
        self._rest = [one for one in request.filters if one not in self._own]
        self._facets = [(str(number), facet, self._others(facet)) for number, facet in enumerate(request.facets)]

    def by_score(self) -> Json:
        """Return one query, whose scores are the weighed sum of those of its parts, and all counts."""
        asked: Json = {"query": self._query(self._rest)}
        if self._own:
            asked["post_filter"] = {"bool": {"filter": filters.clauses(self._own, self._declared)}}
        return asked | _aggs({number: self._among(others, facet) for number, facet, others in self._facets})

    def by_rank(self) -> Json:
        """Return a retriever for each part, fused by rank, and the counts of what they find."""
        request = self._request
        fused: Json = {
            "retrievers": [{"standard": {"query": part}} for part in self._parts],
            "rank_window_size": window(request),
            "rank_constant": request.rrf.constant,
        }
        if request.filters:
            fused["filter"] = filters.clauses(request.filters, self._declared)
        shut = {number: self._among([], facet) for number, facet, others in self._facets if others == self._own}
        return {"retriever": {"rrf": fused}} | _aggs(shut)

    def counts_aside(self) -> Json:
        """Return the query and the counts that a filter on the facet's own field would narrow, if there are any."""
        ajar = {number: self._among(others, facet) for number, facet, others in self._facets if others != self._own}
        return {"query": self._query(self._rest), **_aggs(ajar)} if ajar else {}

    def _query(self, narrowing: Sequence[Filter]) -> Json:
        query: Json = {"should": self._parts, "minimum_should_match": 1}
        if narrowing:
            query["filter"] = filters.clauses(narrowing, self._declared)
        return {"bool": query}

    def _among(self, narrowing: Sequence[Filter], facet: Facet) -> Json:
        counted = facets.aggregation(facet, self._declared)
        if not narrowing:
            return counted
        query = {"bool": {"filter": filters.clauses(narrowing, self._declared)}}
        return {"filter": query, "aggs": {facets.COUNTS: counted}}

    def _others(self, facet: Facet) -> list[Condition]:
        return [one for one in self._own if not (facet.disjunctive and one.field == facet.field)]


def _aggs(counted: Json) -> Json:
    return {"aggs": counted} if counted else {}
