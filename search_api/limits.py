"""Limits: how large a request may be, checked before it costs anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search_api.errors import BodyTooLarge, Fault, InvalidRequest
from search_api.model import Condition, SearchRequest
from search_api.settings import LimitSettings

Refuse = Callable[[Scope, Receive, Send, Exception], Awaitable[None]]


def check(request: SearchRequest, limits: LimitSettings) -> None:
    """Raise InvalidRequest naming everything of `request` that is beyond `limits`."""
    faults = list(_faults(request, limits))
    if faults:
        raise InvalidRequest(*faults)


def _faults(request: SearchRequest, limits: LimitSettings) -> Iterator[Fault]:
    if len(request.query) > limits.query_chars:
        yield Fault(f"the query must have at most {limits.query_chars} characters", pointer="/query")
    if request.size > limits.size:
        yield Fault(f"size must be at most {limits.size}", pointer="/size")
    if len(request.filters) > limits.filters:
        yield Fault(f"there may be at most {limits.filters} filters", pointer="/filters")
    for number, condition in enumerate(request.filters):
        yield from _too_many_values(condition, limits.filter_values, f"/filters/{number}/any_of")


def _too_many_values(condition: Condition, most: int, pointer: str) -> Iterator[Fault]:
    if len(condition.any_of or ()) > most:
        yield Fault(f"a filter may have at most {most} values", pointer=pointer)


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
