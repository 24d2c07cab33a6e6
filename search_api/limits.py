"""Limits: how large a request may be, checked before it costs anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search_api.errors import BodyTooLarge, Fault, InvalidRequest
from search_api.query import filters
from search_api.query.request import SearchRequest
from search_api.settings import LimitSettings

Refuse = Callable[[Scope, Receive, Send, Exception], Awaitable[None]]


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


class BodyLimit:
    """ASGI middleware that reads a body up to the limit, so that the application only ever sees small ones."""

    def __init__(self, app: ASGIApp, largest: int, refuse: Refuse) -> None:
        """Pass bodies of at most `largest` bytes on to `app`; answer others with `refuse`."""
        self._app, self._largest, self._refuse = app, largest, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] not in {"POST", "PUT", "PATCH"}:
            await self._app(scope, receive, send)
            return
        body = await self._read(scope, receive)
        if body is None:
            error = BodyTooLarge(f"the body must have at most {self._largest} bytes")
            await self._refuse(scope, receive, send, error)
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._largest:
            return None
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._largest:
                return None
        return body


def _replay(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay
