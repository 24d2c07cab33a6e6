"""What the loop does with Kafka's events: partitions come and go, records are booked, offsets committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

import msgspec
import orjson

from streamer import failpoints, logs
from streamer.batching.books import Books
from streamer.clock import Deadline
from streamer.intake.decode import Decoder
from streamer.kafka.source import Commit, Directive
from streamer.metrics import COMMITS, CONSUMED_BYTES, PAUSED, REBALANCES
from streamer.model import Partition, Record, Rejected
from streamer.runtime import Runtime
from streamer.settings import FlowSettings

log = logs.get("desk")


class Origin(msgspec.Struct, frozen=True):
    """A topic as this run knows it: its route, how to decode it, and its incarnation."""

    route: str
    decoder: Decoder
    topic_id: str
    epoch: int


class Lease(msgspec.Struct, frozen=True):
    """A partition that is ours, under one assignment."""

    origin: Origin
    generation: int
    metadata: str


class Undertaker(Protocol):
    """Who buries records that can never be decoded."""

    def __call__(self, rejected: Rejected, lease: Lease) -> Coroutine[Any, Any, None]:
        """Deliver the dead letter of `rejected` and complete it."""


class Desk:
    """The handler of a `kafka.source.Source`."""

    def __init__(
        self,
        books: Books,
        runtime: Runtime,
        flow: FlowSettings,
        origin_of: Callable[[str], Awaitable[Origin]],
        bury: Undertaker,
    ) -> None:
        """Book records in `books`; `origin_of` knows a topic, `bury` takes what cannot be decoded."""
        self._books, self._runtime = books, runtime
        self._bell, self._clock, self._meter = runtime.bell, runtime.clock, runtime.meter
        self._drain_seconds = flow.drain_timeout_s
        self._commit_seconds = flow.commit_interval_ms / 1_000
        self._origin_of, self._bury = origin_of, bury
        self.parting: Callable[[], None] = _nobody
        """Called when partitions are drained and about to be forgotten."""
        self.leases: dict[Partition, Lease] = {}
        self.origins: dict[str, Origin] = {}
        """Every topic of which a partition was ever ours."""
        self._warned: set[str] = set()
        self.draining = False
        self.last_step = self._clock.monotonic()
        """When the poll thread last asked what to do, in monotonic seconds."""
        self._committed: dict[Partition, int] = {}
        self._next_commit = self._clock.monotonic()

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """Take partitions on, each under a new generation."""
        failpoints.reach("assigned.before")
        for partition in partitions:
            origin = self.origins[partition.topic] = await self._origin_of(partition.topic)
            metadata = orjson.dumps({"v": 1, "topic_id": origin.topic_id, "epoch": origin.epoch}).decode()
            self.leases[partition] = Lease(origin, self._books.assign(partition), metadata)
        failpoints.reach("assigned.after")
        self._meter.add(REBALANCES, "assigned")
        log.info("assigned", partitions=[str(partition) for partition in partitions])

    async def revoked(self, partitions: Sequence[Partition]) -> Sequence[Commit]:
        """Finish what is in flight within one deadline, then fence; what remains is for the next owner."""
        failpoints.reach("revoked.before")
        started = self._clock.monotonic()
        deadline = Deadline(self._clock, self._drain_seconds)
        self._books.leave(partitions)
        self.draining = True
        while not self._books.drained(partitions) and deadline.remaining():
            await self._bell.wait(deadline.remaining())
        self.draining = False
        failpoints.reach("revoked.after")
        drained = self._books.drained(partitions)
        commits = self._positions(partitions)
        self.parting()
        self._forget(partitions)
        # Once more: what was handed over is an outcome too.
        self.parting()
        self._meter.add(REBALANCES, "revoked")
        seconds = round(self._clock.monotonic() - started, 3)
        log.info("revoked", partitions=[str(one) for one in partitions], drained=drained, seconds=seconds)
        return commits

    async def lost(self, partitions: Sequence[Partition]) -> None:
        """Fence and drop: the partitions are another's already, so nothing is committed."""
        failpoints.reach("lost.before")
        self._books.leave(partitions)
        self._forget(partitions)
        failpoints.reach("lost.after")
        self._meter.add(REBALANCES, "lost")
        log.warning("lost", partitions=[str(partition) for partition in partitions])

    async def step(self, records: Sequence[Record]) -> Directive:
        """Book `records`, and say what to pause and what to commit."""
        self.last_step = self._clock.monotonic()
        if records:
            failpoints.reach("taken")
        for record in records:
            self._book(record)
        if records:
            failpoints.reach("booked")
            self._meter.add(CONSUMED_BYTES, amount=sum(record.size for record in records))
            self._bell.ring()
            self._warn_of_stripped()
        paused = self._books.flow.to_pause(frozenset(self.leases))
        self._meter.set(PAUSED, len(paused))
        return Directive(paused, self._due())

    async def committed(self, commits: Sequence[Commit], error: str | None) -> None:
        """Note what Kafka has; what it refused is tried again at the next interval."""
        self._meter.add(COMMITS, "failed" if error else "ok")
        failpoints.reach("commit.after")
        for commit in commits:
            if error:
                self._committed.pop(commit.partition, None)

    def positions(self) -> dict[Partition, int]:
        """Return how far each partition is done without a gap: the next offset that is not."""
        known = {partition: self._books.ledger[partition].position for partition in self.leases}
        return {partition: position for partition, position in known.items() if position is not None}

    def _book(self, record: Record) -> None:
        lease = self.leases.get(record.partition)
        if lease is None:
            # Fetched before its partition was given up: the next owner reads it again.
            return
        origin = lease.origin
        decoded = origin.decoder.decode(record, origin.epoch, lease.generation)
        if isinstance(decoded, Rejected):
            self._books.reject(decoded, origin.route, lease.generation)
            self._runtime.spawn(self._bury(decoded, lease))
        else:
            self._books.take(decoded)

    def _warn_of_stripped(self) -> None:
        for topic, origin in self.origins.items():
            if origin.decoder.stripped and topic not in self._warned:
                self._warned.add(topic)
                log.warning("records bring fields that the pipeline writes, they are taken away", topic=topic)

    def _due(self) -> tuple[Commit, ...]:
        now = self._clock.monotonic()
        if now < self._next_commit:
            return ()
        self._next_commit = now + self._commit_seconds
        return tuple(self._positions(list(self.leases)))

    def _positions(self, partitions: Sequence[Partition]) -> list[Commit]:
        positions = self.positions()
        moved = [one for one in partitions if one in positions and positions[one] != self._committed.get(one)]
        self._committed.update((one, positions[one]) for one in moved)
        return [Commit(one, positions[one], self.leases[one].metadata) for one in moved]

    def _forget(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._books.fence(partition)
            self.leases.pop(partition, None)
            self._committed.pop(partition, None)


def _nobody() -> None:
    """Nobody is told."""
