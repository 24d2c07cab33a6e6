"""A bulk endpoint that stores nothing, to measure what comes before it.

`python -m compose.local.nullsink` answers `_bulk` as Elasticsearch would, at once or after a wait, and can refuse a
share of the items with the 429 of a full inference queue. `GET /_nullsink` returns what it has counted.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Annotated, Any, Self, cast
from urllib.parse import parse_qs, unquote

import httptools
import msgspec
import typer
import uvloop

from compose.local.nullsink_reply import BadBulkError, BulkQuery, Replier, parse

GZIP_WINDOW = 31
MEDIA_TYPE = "application/vnd.elasticsearch+json;compatible-with=9"
ABOUT = {
    "name": "nullsink",
    "cluster_name": "nullsink",
    "cluster_uuid": "nullsinknullsinknullsi",
    "version": {
        "number": "9.1.0",
        "build_flavor": "default",
        "minimum_wire_compatibility_version": "8.19.0",
        "minimum_index_compatibility_version": "8.0.0",
    },
    "tagline": "You Know, for Search",
}


@dataclass(frozen=True, slots=True)
class NullSinkSettings:
    """Port 0 is a free one; `reject_share` of the items is refused; `wait_per_item_s` is waited for each item."""

    port: int = 0
    reject_share: float = 0.0
    seed: int = 0
    wait_per_item_s: float = 0.0


@dataclass(slots=True)
class Counters:
    """What has been answered; bytes as received, before decompression."""

    requests: int = 0
    received_bytes: int = 0


class NullSink:
    """The endpoint as an async context manager; `url` is its address."""

    def __init__(self, settings: NullSinkSettings) -> None:
        self.settings = settings
        self.counters = Counters()
        self.replier = Replier(settings.reject_share, settings.seed)
        self.url = ""

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", self.settings.port)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        await self._server.wait_closed()

    def answer(self, method: str, url: bytes, body: bytes) -> tuple[HTTPStatus, bytes, float]:
        """Status, body, and seconds to wait before they are sent."""
        parsed = httptools.parse_url(url)
        segments = [unquote(part) for part in parsed.path.decode().split("/") if part]
        self.counters.requests += 1
        if segments[-1:] == ["_bulk"] and method in {"POST", "PUT"}:
            return self._bulk(segments, parse_qs((parsed.query or b"").decode()), body)
        if not segments:
            return HTTPStatus.OK, msgspec.json.encode(ABOUT), 0.0
        if segments == ["_nullsink"]:
            return HTTPStatus.OK, msgspec.json.encode(self.counted()), 0.0
        return HTTPStatus.NOT_FOUND, _error("no_handler", f"no handler found for {method} {url.decode()}", 404), 0.0

    def counted(self) -> dict[str, int]:
        """Requests, items, refused items and bytes so far."""
        return {
            "requests": self.counters.requests,
            "items": self.replier.items,
            "rejected": self.replier.rejected,
            "received_bytes": self.counters.received_bytes,
        }

    def _bulk(self, segments: list[str], query: dict[str, list[str]], body: bytes) -> tuple[HTTPStatus, bytes, float]:
        started = time.perf_counter()
        try:
            actions = parse(body)
        except BadBulkError as error:
            return HTTPStatus.BAD_REQUEST, _error("illegal_argument_exception", str(error), 400), 0.0
        wait = self.settings.wait_per_item_s * len(actions)
        asked = BulkQuery(
            index=segments[0] if len(segments) > 1 else None,
            pipeline=query.get("pipeline", ["_none"])[0],
            filter_path=query.get("filter_path", [""])[0],
        )
        took = time.perf_counter() - started + wait
        return HTTPStatus.OK, self.replier.reply(actions, asked, int(took * 1000)), wait


class Connection(asyncio.Protocol):
    """One keep-alive connection: requests one after another."""

    def __init__(self, sink: NullSink) -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport to write to."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, which calls the methods below."""
        self._sink.counters.received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserError:
            self._transport.close()

    def on_message_begin(self) -> None:
        """A request starts."""
        self._url = b""
        self._body: list[bytes] = []
        self._gzip = False

    def on_url(self, url: bytes) -> None:
        """Part of the request's address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Two headers matter."""
        header = name.lower()
        if header == b"content-encoding":
            self._gzip = value.lower() == b"gzip"
        elif header == b"expect":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Answers."""
        body = b"".join(self._body)
        if self._gzip:
            body = zlib.decompress(body, GZIP_WINDOW)
        method = self._parser.get_method().decode()
        status, reply, wait = self._sink.answer(method, self._url, body)
        message = _message(status, reply, b"" if method == "HEAD" else reply)
        if wait:
            asyncio.get_running_loop().call_later(wait, self._transport.write, message)
        else:
            self._transport.write(message)


def _message(status: HTTPStatus, reply: bytes, sent: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nX-elastic-product: Elasticsearch\r\n"
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(reply)}\r\n\r\n"
    )
    return head.encode() + sent


def _error(kind: str, reason: str, status: int) -> bytes:
    cause: dict[str, Any] = {"type": kind, "reason": reason}
    return msgspec.json.encode({"error": {"root_cause": [cause], **cause}, "status": status})


async def serve(settings: NullSinkSettings) -> None:
    """Serves until it is cancelled."""
    async with NullSink(settings) as sink:
        print(f"ready http={sink.url.removeprefix('http://')}", flush=True)
        await asyncio.Event().wait()


def main(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 = a free one")] = 9299,
    reject_share: Annotated[float, typer.Option(min=0, max=1, help="share of the items that is refused")] = 0.0,
    seed: Annotated[int, typer.Option(help="which items are refused")] = 0,
    wait_per_item: Annotated[float, typer.Option(min=0, help="seconds waited for each item of a request")] = 0.0,
) -> None:
    """Answer Elasticsearch bulk requests on loopback, and store nothing."""
    settings = NullSinkSettings(port=port, reject_share=reject_share, seed=seed, wait_per_item_s=wait_per_item)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    typer.run(main)
