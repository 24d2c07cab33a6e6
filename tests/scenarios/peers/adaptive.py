"""Clients that adapt how much is in flight, by laws that were made for requests."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence

from tests.scenarios.documents import Document
from tests.scenarios.peers.peer import SERVER_ERRORS, TOO_MANY, Peer, Reply
from tests.scenarios.server import Server
from tests.scenarios.source import Source


class VectorArc(Peer):
    """Vector's adaptive request concurrency: how many bulks at a time, by additive increase on their round trip.

    Blind, as by default: a bulk with refused items is done, and what was refused is gone. Source: vector
    sinks/util/adaptive_concurrency/controller.rs (alpha 0.4, deviation scale 2.5, ratio 0.9, at most 200, first 1),
    request timeout 60 s, retries after 1 to 30 s.
    """

    chunk = 500
    seeing = False

    def __init__(self, name: str, server: Server, source: Source) -> None:
        super().__init__(name, server, source)
        self._limit, self._in_flight = 1, 0
        self._mean, self._variance = math.nan, 0.0
        self._round: list[float] = []
        self._reached = self._pressed = False
        self._next_update = 0.0
        self._freed = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                while self._in_flight >= self._limit:
                    self._freed.clear()
                    await self._freed.wait()
                documents = await self.take(self.chunk)
                self._in_flight += 1
                self._reached |= self._in_flight >= self._limit
                self.window = self._limit * self.chunk
                tasks.create_task(self._deliver(documents))

    async def _deliver(self, documents: Sequence[Document]) -> None:
        pause = 1.0
        while documents:
            reply = await self.send(documents, timeout_s=60.0)
            again = self._again(reply)
            self._learn(reply, pressed=bool(again))
            documents = again
            if again:
                await asyncio.sleep(self.random.uniform(0, pause))
                pause = min(30.0, pause * 1.6)
        self._in_flight -= 1
        self._freed.set()

    def _again(self, reply: Reply) -> Sequence[Document]:
        if reply.timed_out:
            return reply.documents
        again = reply.refused(lambda status: status == TOO_MANY or status >= SERVER_ERRORS) if self.seeing else []
        kept = set(map(id, again))
        self.drop([document for document in reply.failed if id(document) not in kept])
        return again

    def _learn(self, reply: Reply, *, pressed: bool) -> None:
        self._pressed |= pressed
        if not reply.failed and not reply.timed_out:
            self._round.append(reply.seconds)
        now = self.server.now
        if math.isnan(self._mean):
            self._mean, self._next_update = reply.seconds, now + reply.seconds
        elif now >= self._next_update:
            self._update(now)

    def _update(self, now: float) -> None:
        current = sum(self._round) / len(self._round) if self._round else self._mean
        if self._pressed or current >= self._mean + 2.5 * math.sqrt(self._variance):
            if self._pressed or current > self._mean:
                self._limit = max(1, int(self._limit * 0.9))
        elif self._reached and current <= self._mean and self._limit < 200:
            self._limit += 1
            self._freed.set()
        if self._round:
            off = current - self._mean
            self._mean += 0.4 * off
            self._variance = 0.6 * (self._variance + 0.4 * off * off)
        self._next_update = now + self._mean
        self._round, self._reached, self._pressed = [], False, False


class VectorArcSeeing(VectorArc):
    """The same with `request_retry_partial`: refused items go again, and count as pressure."""

    seeing = True


class VectorArcSmall(VectorArcSeeing):
    """The same with bulks of 50."""

    chunk = 50


class FlinkAimd(Peer):
    """Flink's AsyncSink: messages in flight, 10 more after each success, half after each failure.

    Source: flink-connector-base AIMDScalingStrategy and CongestionControlRateLimitingStrategy; elasticsearch8: at most
    500 in a bulk and 50 bulks, every failed item goes back in line whatever its status, request timeout 30 s.
    """

    chunk, most_bulks = 500, 50

    def __init__(self, name: str, server: Server, source: Source) -> None:
        super().__init__(name, server, source)
        self._limit = self.window = float(self.chunk)
        self._in_flight = self._bulks = 0
        self._back: deque[Document] = deque()
        self._freed = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                batch = min(self.chunk, int(self._limit))
                while self._in_flight + batch > self._limit or self._bulks >= self.most_bulks:
                    self._freed.clear()
                    await self._freed.wait()
                    batch = min(self.chunk, int(self._limit))
                documents = [self._back.popleft() for _ in range(min(batch, len(self._back)))]
                documents += [] if len(documents) == batch else await self.take(batch - len(documents))
                self._in_flight += len(documents)
                self._bulks += 1
                tasks.create_task(self._deliver(documents))

    async def _deliver(self, documents: Sequence[Document]) -> None:
        reply = await self.send(documents, timeout_s=30.0)
        failed = reply.documents if reply.timed_out else reply.failed
        self._back.extend(failed)
        self._limit = max(1.0, self._limit / 2) if failed else min(self.chunk * self.most_bulks, self._limit + 10)
        self.window = self._limit
        self._in_flight -= len(documents)
        self._bulks -= 1
        self._freed.set()


class Gradient2(Peer):
    """Netflix's Gradient2 over single documents: the limit shrinks as round trips grow beyond 1.5 of their long mean.

    Source: concurrency-limits Gradient2Limit (first and least 20, at most 200, queue 4, smoothing 0.2, long window
    600 samples); it never looks at refusals: these go again after a tenth of a second.
    """

    least, most, queue, smoothing, tolerance, samples = 20, 200, 4, 0.2, 1.5, 600

    def __init__(self, name: str, server: Server, source: Source) -> None:
        super().__init__(name, server, source)
        self._limit = float(self.least)
        self._long, self._seen, self._in_flight = 0.0, 0, 0
        self._freed = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                while self._in_flight >= int(self._limit):
                    self._freed.clear()
                    await self._freed.wait()
                self._in_flight += 1
                self.window = self._limit
                tasks.create_task(self._deliver(await self.take(1, wait_s=0.0)))

    async def _deliver(self, documents: Sequence[Document]) -> None:
        while (reply := await self.send(documents)).failed:
            self._learn(reply.seconds)
            await asyncio.sleep(self.random.uniform(0, 0.2))
        self._learn(reply.seconds)
        self._in_flight -= 1
        self._freed.set()

    def _learn(self, seconds: float) -> None:
        self._seen += 1
        factor = 1 / self._seen if self._seen <= 10 else 2 / (self.samples + 1)
        self._long += factor * (seconds - self._long)
        if self._long / seconds > 2:
            self._long *= 0.95
        if self._in_flight < self._limit / 2:
            return
        gradient = max(0.5, min(1.0, self.tolerance * self._long / seconds))
        wanted = self._limit * gradient + self.queue
        limit = (1 - self.smoothing) * self._limit + self.smoothing * wanted
        self._limit = min(self.most, max(self.least, limit))
