"""The edge of the service: each request gets an id, a log line, metrics and careful headers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from http import HTTPStatus

import orjson
import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search_api import errors
from search_api.metrics import IN_FLIGHT, REQUEST_SECONDS, REQUESTS
from search_api.model import Json
from streamer import logs
from streamer.clock import Clock
from streamer.metrics import Meter, Sample

REQUEST_ID = "x-request-id"
_USABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_QUIET = frozenset({"/healthz", "/readyz"})

# Everything that the page needs is its own file; nothing may be loaded from, sent to or framed by anywhere else.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

log = logs.get("search_api")


class Edge:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, clock: Clock, meter: Meter) -> None:
        """Watch the requests to `app`."""
        self._app, self._clock, self._meter = app, clock, meter
        self._in_flight = 0
        meter.read_from(self)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            await self._watch(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def samples(self) -> Iterator[Sample]:
        """Return the present value of this middleware's metric."""
        yield Sample(IN_FLIGHT, (), self._in_flight)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = scope["request_id"] = _request_id(scope)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = self._clock.monotonic(), 0
        self._in_flight += 1

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, request_id)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # nothing is further out: whatever is not known becomes a 500 without its reason
            if status:
                raise
            await refuse(scope, receive, watched, error)
        finally:
            self._in_flight -= 1
            self._record(scope, status, self._clock.monotonic() - started)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        self._meter.add(REQUESTS, route, str(status))
        self._meter.observe(REQUEST_SECONDS, seconds, route)
        # The query string stays out: what people search for is theirs.
        write = log.debug if route in _QUIET else log.info
        write("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 1))


def _request_id(scope: Scope) -> str:
    given: bytes = dict(scope["headers"]).get(REQUEST_ID.encode(), b"")
    return given.decode() if _USABLE_ID.fullmatch(given) else uuid.uuid4().hex


def _add_headers(message: Message, request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    headers[REQUEST_ID] = request_id
    for name, value in HEADERS.items():
        headers[name] = value


def _route(scope: Scope) -> str:
    """Return the pattern that matched, so that metrics have as many routes as the service, not as the world invents."""
    path: str | None = getattr(scope.get("route"), "path", None)
    return path or scope.get("root_path") or "unmatched"


def json(content: Json, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return `content` as an answer."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


async def refuse(scope: Scope, receive: Receive, send: Send, error: Exception) -> None:
    """Answer with the problem document of `error`."""
    await refusal(scope, error)(scope, receive, send)


def note(error: Exception) -> None:
    """Write what of `error` stays inside to the log."""
    row = errors.row_of(error)
    if not row.tells and row.status >= errors.INTERNAL.status:
        log.warning("problem", problem=row.name, error=str(error), exc_info=error if row is errors.INTERNAL else None)


def refusal(scope: Scope, error: Exception) -> Response:
    """Return the problem document of `error` as an answer; what stays inside goes to the log."""
    row = errors.row_of(error)
    note(error)
    headers = _headers(row, getattr(error, "retry_after_s", row.retry_after_s))
    body = orjson.dumps(errors.problem(error, scope["request_id"]))
    return Response(body, row.status, headers, media_type="application/problem+json")


def _headers(row: errors.Row, retry_after_s: int | None) -> dict[str, str]:
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    # RFC 9110, section 15.5.2: who is asked for credentials is told how to give them.
    return headers | ({"www-authenticate": "Bearer"} if row.status == HTTPStatus.UNAUTHORIZED else {})
