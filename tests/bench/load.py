"""The load generator of `tests.bench.search`, in a process of its own: requests in, latencies out.

`python -m tests.bench.load` reads one JSON object (the fields of `Load`) from standard input and prints one. With a
`rate`, requests are sent at their time whether or not others are answered, and a latency begins at the time at which
the request was due: a server that stalls is not asked less. Without, each connection asks again when it is answered.
"""

import asyncio
import itertools
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httptools
import uvloop

DEGRADED = b'"degraded"'
PLACE_OF_FRESH = "@FRESH@"
"""In a body it becomes a text that was not asked before."""


@dataclass(frozen=True)
class Load:
    """What to send. `seconds` bounds the time of sending; `bodies` are taken in turn."""

    port: int
    path: str
    bodies: list[str]
    seconds: float
    rate: float | None = None
    connections: int = 1
    name: str = ""


@dataclass
class Found:
    """What came of it: latencies in milliseconds, answers by status, those that were answered by words alone."""

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    degraded: int = 0


class Connection(asyncio.Protocol):
    """One HTTP connection with one request at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[tuple[int, bytes]] | None = None
        self._body = bytearray()
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionResetError("closed without an answer"))

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        answer = (self._parser.get_status_code(), bytes(self._body))
        # The parser is for one message; keeping it would fail when a server says `connection: close`.
        self._parser, self._body = httptools.HttpResponseParser(self), bytearray()
        if self._waiting:
            self._waiting.set_result(answer)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    @property
    def closed(self) -> bool:
        return bool(self._transport.is_closing())

    def close(self) -> None:
        self._transport.close()


class Generator:
    """Sends a load over as many connections as it needs."""

    def __init__(self, load: Load) -> None:
        self._load, self.found = load, Found()
        self._requests = self._endless()
        self._idle: list[Connection] = []

    def _endless(self) -> Iterator[bytes]:
        numbers = itertools.count()
        for body in itertools.cycle(self._load.bodies):
            content = body.replace(PLACE_OF_FRESH, f"{self._load.name}{next(numbers)}").encode()
            head = f"POST {self._load.path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            yield f"{head}content-length: {len(content)}\r\n\r\n".encode() + content

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self._load.port)
        return connection

    async def _one(self, due: float) -> None:
        # A server may close what was idle for long.
        self._idle = [one for one in self._idle if not one.closed]
        connection = self._idle.pop() if self._idle else await self._connect()
        status, body = await connection.ask(next(self._requests))
        self.found.latencies.append((time.perf_counter() - due) * 1000)
        self.found.statuses[str(status)] += 1
        self.found.degraded += DEGRADED in body
        self._idle.append(connection)

    async def run(self) -> None:
        began = time.perf_counter()
        if self._load.rate is None:
            await asyncio.gather(*(self._again_and_again(began) for _ in range(self._load.connections)))
        else:
            await self._at_their_time(began, self._load.rate)
        for connection in self._idle:
            connection.close()

    async def _again_and_again(self, began: float) -> None:
        while time.perf_counter() < began + self._load.seconds:
            await self._one(time.perf_counter())

    async def _at_their_time(self, began: float, rate: float) -> None:
        async with asyncio.TaskGroup() as tasks:
            for number in range(round(self._load.seconds * rate)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                tasks.create_task(self._one(due))


def main() -> None:
    load = Load(**json.load(sys.stdin))
    generator, began = Generator(load), time.perf_counter()
    uvloop.run(generator.run())
    seconds, used = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    found = {"latencies": generator.found.latencies, "statuses": generator.found.statuses}
    rest = {"degraded": generator.found.degraded, "seconds": seconds, "cpu": used.ru_utime + used.ru_stime}
    sys.stdout.write(json.dumps(found | rest))


if __name__ == "__main__":
    main()
