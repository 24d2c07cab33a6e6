"""Clients without any control of what is in flight: so many bulks of so many documents, come what may."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tests.scenarios.documents import Document
from tests.scenarios.peers.peer import CONFLICT, TOO_MANY, Peer


class StreamingBulk(Peer):
    """elasticsearch-py's `streaming_bulk`: one bulk of 500 at a time; what is refused with 429 again after 2, 4, 8 s.

    Everything else that is refused is an error that the generator yields, and so is a 429 after the last retry.
    Source: elasticsearch/helpers/actions.py (chunk_size 500, initial_backoff 2, max_backoff 600).
    """

    chunk = 500
    retries = 0

    async def run(self) -> None:
        self.window = self.chunk
        while True:
            await self._deliver(await self.take(self.chunk))

    async def _deliver(self, documents: Sequence[Document]) -> None:
        for attempt in range(self.retries + 1):
            reply = await self.send(documents)
            refused = reply.refused(lambda status: status == TOO_MANY)
            self.drop(reply.refused(lambda status: status != TOO_MANY))
            if not refused:
                return
            if attempt == self.retries:
                self.drop(refused)
                return
            await asyncio.sleep(min(600, 2 * 2**attempt))
            documents = refused


class StreamingBulkRetrying(StreamingBulk):
    """The same with `max_retries=3`."""

    retries = 3


class Lanes(Peer):
    """So many loops side by side, each with a bulk of its own."""

    lanes = 5
    chunk = 500

    async def run(self) -> None:
        self.window = self.lanes * self.chunk
        async with asyncio.TaskGroup() as tasks:
            for _ in range(self.lanes):
                tasks.create_task(self.lane())

    async def lane(self) -> None:
        """Take and send until cancelled."""
        raise NotImplementedError


class KafkaConnect(Lanes):
    """Confluent's sink: 5 bulks of 2,000; one refused item fails the task, which nobody starts again.

    Source: kafka-connect-elasticsearch (batch.size 2000, max.in.flight.requests 5; handleResponse fails the task on an
    item's error that is not of a malformed document). Nothing is lost: the offsets stay.
    """

    chunk = 2_000
    failed = False

    async def lane(self) -> None:
        while not self.failed:
            reply = await self.send(await self.take(self.chunk, wait_s=0.001))
            self.failed |= bool(reply.failed)
        self.window = 0.0


class Logstash(Lanes):
    """Four workers with batches of 125; items again for ever after 2 to 64 s, but 409 is dropped; timeout 60 s.

    Source: logstash-output-elasticsearch common.rb (409: warn and drop; retry_initial_interval 2, retry_max_interval
    64), http client timeout 60 s, after which the whole batch is sent again; pipeline.batch.size 125.
    """

    lanes = 4
    chunk = 125

    async def lane(self) -> None:
        while True:
            left: Sequence[Document] = await self.take(self.chunk, wait_s=0.05)
            pause = 2.0
            while left:
                reply = await self.send(left, timeout_s=60.0)
                self.drop(reply.refused(lambda status: status == CONFLICT))
                left = left if reply.timed_out else reply.refused(lambda status: status != CONFLICT)
                if left:
                    await asyncio.sleep(pause)
                    pause = min(64.0, 2 * pause)


class ElasticConnectors(Lanes):
    """Elastic's connector framework: 5 bulks of 500; an item that is refused is counted and not sent again.

    Source: elastic/connectors es/sink.py and config.yml (chunk_size 500, max_concurrency 5); issue #4002.
    """

    async def lane(self) -> None:
        while True:
            self.drop((await self.send(await self.take(self.chunk))).failed)
