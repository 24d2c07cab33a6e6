"""The body of a request: read up to a size, a depth and a time, before anything makes sense of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from itertools import accumulate

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search_api.errors import BodyTooDeep, BodyTooLarge, BodyTooSlow, SearchError
from search_api.settings import LimitSettings

Refuse = Callable[[Scope, Receive, Send, Exception], Awaitable[None]]

WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose body, if one comes, is read by nobody."""
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_STEPS = dict(zip(b"[{]}", (1, 1, -1, -1), strict=True))
_NO_BRACKETS = bytes(set(range(256)) - _STEPS.keys())


class BodyLimit:
    """ASGI middleware that passes on whole, small and shallow bodies only."""

    def __init__(self, app: ASGIApp, limits: LimitSettings, timeout_s: float, refuse: Refuse) -> None:
        """Pass bodies within `limits` that come within `timeout_s` on to `app`; answer others with `refuse`."""
        self._app, self._refuse = app, refuse
        self._largest, self._deepest, self._timeout_s = limits.body_kbytes * 1024, limits.body_depth, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] in WITHOUT_BODY:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except SearchError as error:
            await self._refuse(scope, receive, send, error)
        else:
            await self._app(scope, _replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        announced = dict(scope["headers"]).get(b"content-length", b"")
        if announced.isdigit() and int(announced) > self._largest:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._all(receive)
        except TimeoutError as error:
            raise BodyTooSlow(f"the body must come within {self._timeout_s:g} seconds") from error
        if is_deeper(body, self._deepest):
            raise BodyTooDeep(f"at most {self._deepest} objects and lists may stand one in another")
        return body

    async def _all(self, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._largest:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"the body must have at most {self._largest} bytes")


def is_deeper(body: bytes, most: int) -> bool:
    """Return whether more than `most` objects and lists of a JSON text stand one in another."""
    # Few bodies have as many brackets at all.
    if body.count(b"[") + body.count(b"{") <= most:
        return False
    brackets = _STRING.sub(b"", body).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > most


def _replay(body: bytes, receive: Receive) -> Receive:
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return first.pop() if first else await receive()

    return replay
