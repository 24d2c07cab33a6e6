"""What is wrong with a request that has the right shape: it asks an index for what that does not offer."""

from __future__ import annotations

from collections.abc import Iterator

from search_api.errors import Fault, InvalidRequest
from search_api.pointers import escaped
from search_api.query import facets, filters, presentation, syntax
from search_api.query.modes import WIDEST
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings

PAGES = 10_000
"""How deep the pages of an index go: its `index.max_result_window`."""


def check(request: SearchRequest, index: IndexSettings) -> None:
    """Raise InvalidRequest naming each part of `request` that does not fit `index`."""
    faults = list(_faults(request, index))
    if faults:
        raise InvalidRequest(*faults)


def _faults(request: SearchRequest, index: IndexSettings) -> Iterator[Fault]:
    yield from _rank_faults(request) if request.by_rank else _page_faults(request, PAGES, "pages end")
    yield from _word_faults(request, index)
    yield from filters.faults(request.filters, index.filters, "/filters")
    yield from facets.faults(request.facets, index.filters)
    yield from presentation.sort_faults(request.sort, index.filters)
    yield from presentation.collapse_faults(request.collapse, index.filters)
    yield from presentation.highlight_faults(request.highlight, index)
    yield from presentation.field_faults(request.fields, index)


def _page_faults(request: SearchRequest, most: int, why: str) -> Iterator[Fault]:
    if request.offset + request.size > most:
        detail = f"offset and size together must be at most {most}: {why} there"
        yield Fault(detail, pointer="/offset" if request.offset else "/size")


def _rank_faults(request: SearchRequest) -> Iterator[Fault]:
    window = request.rrf.window
    why = "fusion rrf looks no further, fusion weighted does"
    yield from _page_faults(request, WIDEST if window is None else window, why)
    # Ranks, unlike scores, can be neither weighed by a boost nor cut nor put in another order.
    asked = {
        "/min_score": request.min_score,
        "/sort": request.sort or None,
        "/lexical/boost": request.lexical.boost,
        "/semantic/boost": request.semantic.boost,
    }
    for pointer, value in asked.items():
        if value is not None:
            name = pointer[1:].replace("/", ".")
            yield Fault(f"{name} does not go with fusion rrf, which looks at ranks only", pointer=pointer)


def _word_faults(request: SearchRequest, index: IndexSettings) -> Iterator[Fault]:
    lexical, known = request.lexical, tuple(index.lexical_fields)
    for name in lexical.fields or ():
        if name not in known:
            detail = f"{name!r} is not a field to look for words in"
            yield Fault(detail, pointer=f"/lexical/fields/{escaped(name)}", allowed=known)
    if lexical.typos and lexical.syntax != "plain":
        detail = f"typos goes with syntax plain; in a {lexical.syntax} a word with typos is written word~"
        yield Fault(detail, pointer="/lexical/typos")
    if lexical.syntax == "query_string":
        pointer = "/query" if lexical.query is None else "/lexical/query"
        for detail in syntax.faults(lexical.query or request.query, known):
            yield Fault(detail, pointer=pointer, allowed=known)
