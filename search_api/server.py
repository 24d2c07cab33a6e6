"""The HTTP server: uvicorn, with bounds on what comes before a request is one, and on clients that do not read.

httptools has no bound on the length of a head, and uvicorn none on the time that it takes or on unread answers.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from search_api import errors
from search_api.access.settings import HttpSettings

STOP_TIMEOUT_S = 10
VERSIONS = frozenset({"1.0", "1.1"})
AROUND_HEADER = 4
"""Bytes of a header line that are neither name nor value."""


class Server(uvicorn.Server):
    """Uvicorn, but a stop that was asked for ends with status 0 and lets the admin port close."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and Ctrl-C while serving, without raising them again afterwards."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def server(app: object, http: HttpSettings) -> Server:
    """Return a server of the ASGI application `app`; it listens on the sockets that `serve` is given."""
    return Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]  # an ASGI application
            http=protocol(http),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            # Who asks is never said by a header that anybody can write.
            proxy_headers=False,
            lifespan="on",
            timeout_keep_alive=http.keep_alive_s,
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
    )


def protocol(http: HttpSettings) -> type[Bounded]:
    """Return what handles a connection within the bounds of `http`."""

    class Configured(Bounded):
        bounds = http

    return Configured


class Bounded(HttpToolsProtocol):
    """A connection that is closed when it goes beyond its bounds."""

    bounds: HttpSettings
    _head_bytes = 0
    _in_head = True
    _refused: errors.SearchError | None = None
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if it is not one too many."""
        super().connection_made(transport)
        self._await_head()
        if len(self.connections) > self.bounds.connections:
            self._refuse(errors.Overloaded("as many connections are open as the service takes"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clocks."""
        self._stop(self._head_timer)
        self._stop(self._write_timer)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, as long as a head is not too long."""
        if self._refused:
            return
        self._head_bytes += len(data) if self._in_head else 0
        super().data_received(data)
        if self._in_head and self._head_bytes > self.bounds.head_kbytes * 1024:
            self._too_long()

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_head = True
        self._await_head()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL."""
        super().on_url(url)
        if len(self.url) > self.bounds.url_kbytes * 1024:
            self._refuse(errors.UrlTooLong(f"the URL must have at most {self.bounds.url_kbytes} kB"))
            raise ValueError("the URL is too long")

    def on_headers_complete(self) -> None:
        """Hand a request over."""
        if self.parser.get_http_version() not in VERSIONS:
            self._refuse(errors.MalformedHead())
            raise ValueError("HTTP/0.9 has no headers, so no credentials")
        length = len(self.url) + sum(len(name) + len(value) + AROUND_HEADER for name, value in self.headers)
        if length > self.bounds.head_kbytes * 1024:
            self._too_long()
            raise ValueError("the head is too long")
        self._in_head, self._head_bytes = False, 0
        self._stop(self._head_timer)
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        del msg
        if self._refused is None:
            self._refuse(errors.MalformedHead())

    def pause_writing(self) -> None:
        """Wait for a client that does not read, but not for ever."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.bounds.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self._stop(self._write_timer)
        super().resume_writing()

    def _await_head(self) -> None:
        self._stop(self._head_timer)
        late = errors.HeadTooSlow(f"the head must come within {self.bounds.head_timeout_s:g} seconds")
        self._head_timer = self.loop.call_later(self.bounds.head_timeout_s, self._refuse, late)

    def _too_long(self) -> None:
        self._refuse(errors.HeadTooLong(f"the head must have at most {self.bounds.head_kbytes} kB"))

    def _refuse(self, error: errors.SearchError) -> None:
        if self.transport.is_closing():
            return
        self._refused = error
        self.transport.write(answer(error))
        self.transport.close()

    @staticmethod
    def _stop(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()


def answer(error: errors.SearchError) -> bytes:
    """Return the whole answer to what never became a request; it has no id."""
    problem: dict[str, Any] = errors.problem(error, "")
    body = orjson.dumps({name: value for name, value in problem.items() if name != "request_id"})
    status = STATUS_LINE[problem["status"]].rstrip(b"\r\n")
    return b"\r\n".join(
        [
            status,
            b"content-type: application/problem+json",
            b"content-length: %d" % len(body),
            b"connection: close",
            b"",
            body,
        ]
    )
