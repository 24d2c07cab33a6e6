"""What a caller sees of an index. The one place where its filters come into a search, and the one way to the door.

The door takes nothing but a Question, and only a View makes one: a path that forgets the caller's filters has nothing
that it could send.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from search_api.access.principal import Principal
from search_api.errors import Forbidden, InvalidRequest, UnknownIndex
from search_api.model import Json
from search_api.query import filters
from search_api.settings import IndexSettings

# Parts of a search that only ever see what its query finds. What is not here could reach other documents (`suggest`
# reads the terms of all) or does not exist yet: look before you add it.
WITHIN_THE_QUERY = frozenset(
    {
        "_source",
        "aggs",
        "collapse",
        "explain",
        "fields",
        "from",
        "highlight",
        "min_score",
        "pit",
        "post_filter",
        "search_after",
        "size",
        "sort",
        "timeout",
        "track_total_hits",
    }
)
# An aggregation of this type counts all documents, found or not.
BEYOND_THE_QUERY = "global"


class Question(msgspec.Struct, frozen=True):
    """A search as Elasticsearch gets it, with its caller's filters."""

    alias: str
    body: Json


class View:
    """An index as one caller sees it."""

    def __init__(self, principal: Principal, index: IndexSettings) -> None:
        """Look at `index` as `principal`. Raises Forbidden when a filter of it does not fit the index."""
        self.principal, self.index = principal, index
        try:
            self._clauses = filters.checked(principal.filters, index.filters, "/filters")
        except InvalidRequest as error:
            raise Forbidden(f"the filters of these credentials do not fit index {index.name!r}") from error

    def ask(self, body: Json) -> Question:
        """Return the search of `body`, narrowed to what the caller may see.

        Raises ValueError for a body with a part that could see more.
        """
        return Question(self.index.alias, dict(_narrowed(body, self._clauses)))


class Views:
    """The declared indices, as each caller sees them."""

    def __init__(self, indices: Iterable[IndexSettings]) -> None:
        """Show `indices`; the first is the default."""
        self._indices = {index.name: index for index in indices}

    def of(self, principal: Principal, name: str | None) -> View:
        """Return the index called `name`, or the caller's first; raises UnknownIndex for what it may not know of."""
        seen = {index.name: index for index in self.indices(principal)}
        index = next(iter(seen.values()), None) if name is None else seen.get(name)
        if index is None:
            raise UnknownIndex(str(name), seen)
        return View(principal, index)

    def indices(self, principal: Principal) -> Iterator[IndexSettings]:
        """Yield the indices that `principal` may search."""
        return (index for index in self._indices.values() if principal.may_search(index.name))


def _narrowed(body: Json, clauses: list[Json]) -> Iterator[tuple[str, Any]]:
    if clauses and body.keys().isdisjoint(("query", "retriever")):
        yield "query", {"bool": {"filter": clauses}}
    for name, part in body.items():
        if name == "query":
            yield name, _within(part, clauses)
        elif name == "retriever":
            yield name, _retriever(part, clauses)
        elif name in WITHIN_THE_QUERY:
            yield name, _harmless(part) if name == "aggs" else part
        else:
            raise ValueError(f"a search with {name!r} may see more than its query finds")


def _retriever(retriever: Json, clauses: list[Json]) -> Json:
    ((kind, part),) = retriever.items()
    if kind == "standard":
        return {kind: part | {"query": _within(part["query"], clauses)}}
    # What a compound retriever finds is what its parts find.
    return {kind: part | {"retrievers": [_retriever(one, clauses) for one in part["retrievers"]]}}


def _within(query: Json, clauses: list[Json]) -> Json:
    return {"bool": {"must": [query], "filter": clauses}} if clauses else query


def _harmless(aggregations: Json) -> Json:
    for one in aggregations.values():
        if BEYOND_THE_QUERY in one:
            raise ValueError(f"a {BEYOND_THE_QUERY!r} aggregation counts what its query does not find")
        _harmless(one.get("aggs", {}))
    return aggregations
