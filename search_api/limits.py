"""Limits: how large a request may be, checked before it costs anything."""

from __future__ import annotations

from collections.abc import Iterator

from search_api.errors import Fault, InvalidRequest
from search_api.query import filters
from search_api.query.request import SearchRequest
from search_api.settings import LimitSettings


def check(request: SearchRequest, limits: LimitSettings) -> None:
    """Raise InvalidRequest naming everything of `request` that is beyond `limits`."""
    faults = list(_faults(request, limits))
    if faults:
        raise InvalidRequest(*faults)


def _faults(request: SearchRequest, limits: LimitSettings) -> Iterator[Fault]:
    for pointer, text in (("/query", request.query), ("/lexical/query", request.lexical.query or "")):
        if len(text) > limits.query_chars:
            yield Fault(f"the query must have at most {limits.query_chars} characters", pointer=pointer)
    if request.size > limits.size:
        yield Fault(f"size must be at most {limits.size}", pointer="/size")
    yield from _filter_faults(request, limits)
    yield from _facet_faults(request, limits)


def _filter_faults(request: SearchRequest, limits: LimitSettings) -> Iterator[Fault]:
    every = list(filters.conditions(request.filters, "/filters"))
    if len(every) > limits.filters:
        yield Fault(f"there may be at most {limits.filters} filters", pointer="/filters")
    if filters.depth(request.filters) > filters.DEEPEST:
        yield Fault(f"groups of filters may be at most {filters.DEEPEST} deep", pointer="/filters")
    for pointer, one in every:
        if len(one.any_of or ()) > limits.filter_values:
            yield Fault(f"a filter may have at most {limits.filter_values} values", pointer=f"{pointer}/any_of")


def _facet_faults(request: SearchRequest, limits: LimitSettings) -> Iterator[Fault]:
    if len(request.facets) > limits.facets:
        yield Fault(f"there may be at most {limits.facets} facets", pointer="/facets")
    for number, facet in enumerate(request.facets):
        for name, asked in (("size", facet.size), ("ranges", len(facet.ranges or ()))):
            if asked > limits.facet_values:
                detail = f"a facet may have at most {limits.facet_values} values"
                yield Fault(detail, pointer=f"/facets/{number}/{name}")
