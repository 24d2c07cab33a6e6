"""What the loop does with Kafka's events: partitions come and go, records are booked, offsets committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from streamer import failpoints, logs
from streamer.batching.books import Books
from streamer.clock import Deadline
from streamer.intake import remembered
from streamer.intake.decode import Decodes
from streamer.intake.remembered import CROWDED_CHARACTERS, Memory
from streamer.kafka.admin import Committed
from streamer.kafka.source import BEGINNING, Commit, Directive
from streamer.metrics import COMMITS, CONSUMED_BYTES, PAUSED, REBALANCES
from streamer.model import Partition, Record, Rejected
from streamer.runtime import Runtime
from streamer.settings import FlowSettings

log = logs.get("desk")


class Origin(msgspec.Struct, frozen=True):
    """A topic as this run knows it: its route, how to decode it, and its incarnation."""

    route: str
    decoder: Decodes
    topic_id: str
    epoch: int


class Lease(msgspec.Struct, frozen=True):
    """A partition that is ours, under one assignment."""

    origin: Origin
    generation: int


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
        self._committed: dict[Partition, Commit] = {}
        self._crowded: frozenset[Partition] = frozenset()
        """Partitions with so many gaps that their commit can hardly remember more."""
        self._next_commit = self._clock.monotonic()

    async def assigned(
        self, partitions: Sequence[Partition], committed: Mapping[Partition, Committed]
    ) -> Mapping[Partition, int]:
        """Take partitions on, each under a new generation; return where to begin when that is not the commit.

        A commit of another incarnation of the topic says nothing about this one: it begins at its first record.
        """
        failpoints.reach("assigned.before")
        starts = {}
        for partition in partitions:
            origin = self.origins[partition.topic] = await self._origin_of(partition.topic)
            commit = committed.get(partition)
            memory = remembered.read(commit.metadata) if commit else None
            known = []
            if memory is not None and memory.topic_id != origin.topic_id:
                log.warning("commit of another incarnation ignored", partition=str(partition), topic_id=memory.topic_id)
                starts[partition] = BEGINNING
            elif memory is not None and commit is not None:
                known = remembered.read_ranges(commit.offset, memory.done)
            self.leases[partition] = Lease(origin, self._books.assign(partition, known))
        failpoints.reach("assigned.after")
        self._meter.add(REBALANCES, "assigned")
        log.info("assigned", partitions=[str(partition) for partition in partitions])
        return starts

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
        commits = self._due()
        paused = self._books.flow.to_pause(frozenset(self.leases)) | self._crowded
        self._meter.set(PAUSED, len(paused))
        return Directive(paused, commits)

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
        if self._books.skip(record, origin.route):
            return
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
        commits = [self._commit(one, positions[one]) for one in partitions if one in positions]
        moved = [commit for commit in commits if commit != self._committed.get(commit.partition)]
        self._committed.update((commit.partition, commit) for commit in moved)
        return moved

    def _commit(self, partition: Partition, position: int) -> Commit:
        origin, ledger = self.leases[partition].origin, self._books.ledger[partition]
        done = remembered.write_ranges(position, ledger.done())
        self._crowded -= {partition}
        if len(done) >= CROWDED_CHARACTERS:
            self._crowded |= {partition}
        memory = Memory(topic_id=origin.topic_id, epoch=origin.epoch, done=done)
        return Commit(partition, position, remembered.write(memory))

    def _forget(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._books.fence(partition)
            self.leases.pop(partition, None)
            self._committed.pop(partition, None)
        self._crowded -= set(partitions)


def _nobody() -> None:
    """Nobody is told."""
