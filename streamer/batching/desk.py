"""What the loop does with Kafka's events: partitions come and go, records are booked, offsets committed."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

from streamer import failpoints, logs
from streamer.batching.books import Books
from streamer.batching.commits import Commits
from streamer.batching.continuity import Continuity, Facts
from streamer.batching.lease import Lease, Origin
from streamer.clock import Deadline
from streamer.errors import ElasticError, KafkaError
from streamer.intake import remembered
from streamer.kafka.admin import Committed
from streamer.kafka.source import BEGINNING, Commit, Directive
from streamer.metrics import COMMITS, CONSUMED_BYTES, PAUSED, REBALANCES
from streamer.model import BACKLOG, REDRIVE, Partition, Record, Rejected, Write
from streamer.runtime import Runtime
from streamer.settings import FlowSettings

PARTITION = attrgetter("partition")

log = logs.get("desk")


class Topics(Facts, Protocol):
    """Who knows topics."""

    async def of(self, partition: Partition) -> Origin | None:
        """Return the topic of `partition`; None while there is no such topic or partition."""

    def partitions(self, routes: frozenset[str]) -> int:
        """Return how many partitions the topics of `routes` have."""


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
        topics: Topics,
        bury: Undertaker,
    ) -> None:
        """Book records in `books`; `topics` knows their origin, `bury` takes what cannot be decoded."""
        self._books, self._runtime = books, runtime
        self._bell, self._clock, self._meter = runtime.bell, runtime.clock, runtime.meter
        self._drain_seconds = flow.drain_timeout_s
        self._topics, self._bury = topics, bury
        self._continuity = Continuity(topics, runtime, flow.topic_check_interval_s)
        self.parting: Callable[[], None] = _nobody
        """Called when partitions are drained and about to be forgotten."""
        self.leases: dict[Partition, Lease] = {}
        self.origins: dict[str, Origin] = {}
        """Every topic of which a partition was ever ours."""
        self._missing: set[Partition] = set()
        """Partitions that the group gave us, but that do not exist (yet)."""
        self._renewing: set[str] = set()
        """Topics whose partitions are to be given up and taken on anew."""
        self._warned: set[str] = set()
        self.draining = False
        self.last_step = self._clock.monotonic()
        """When the poll thread last asked what to do, in monotonic seconds."""
        self._commits = Commits(books.ledger, self._clock, flow.commit_interval_ms / 1_000)

    async def assigned(
        self, partitions: Sequence[Partition], committed: Mapping[Partition, Committed]
    ) -> Mapping[Partition, int]:
        """Take partitions on, each under a new generation; return where to begin when that is not the commit.

        A commit of another incarnation of the topic says nothing about this one: it begins at its first record.
        """
        failpoints.reach("assigned.before")
        await self._look_again({partition.topic for partition in partitions} & self.origins.keys())
        starts = {}
        for partition in partitions:
            origin = await self._topics.of(partition)
            if origin is None:
                self._missing.add(partition)
                log.warning("there is no such partition now, waiting for it", partition=str(partition))
            else:
                commit = self._take_on(partition, origin, committed.get(partition))
                if commit is None and (partition in committed or origin.route in {REDRIVE, BACKLOG}):
                    # `kafka.auto_offset_reset` is about the routes' topics: ours are empty when a group is new.
                    starts[partition] = BEGINNING
        failpoints.reach("assigned.after")
        self._meter.add(REBALANCES, "assigned")
        log.info("assigned", partitions=[str(partition) for partition in partitions])
        return starts

    async def _look_again(self, topics: Iterable[str]) -> None:
        """Ask Kafka about topics that we had before: one may have been made again while a partition was not ours."""
        for topic in topics:
            try:
                another = await self._topics.is_another(topic)
            except (KafkaError, ElasticError) as error:
                log.warning("cannot tell whether this topic was made again", topic=topic, error=str(error))
                continue
            if another:
                self.renew([topic])

    def _take_on(self, partition: Partition, origin: Origin, commit: Committed | None) -> Committed | None:
        """Take a partition on; return its commit unless that is of another incarnation of the topic."""
        memory = remembered.read(commit.metadata) if commit else None
        if memory is not None and memory.topic_id != origin.topic_id:
            log.warning("commit of another incarnation ignored", partition=str(partition), topic_id=origin.topic_id)
            commit = memory = None
        known = remembered.read_ranges(commit.offset, memory.done) if commit and memory else []
        self.origins[partition.topic] = origin
        self.leases[partition] = Lease(origin, self._books.assign(partition, known))
        self._continuity.begin(partition, commit.offset if commit else None)
        return commit

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
        commits = self._commits.of(partitions, self.leases, self.positions())
        self.parting()
        self._forget(partitions)
        # Once more: what was handed over is an outcome too.
        self.parting()
        self._meter.add(REBALANCES, "revoked")
        seconds = round(self._clock.monotonic() - started, 3)
        log.info("revoked", partitions=[str(one) for one in partitions], drained=drained, seconds=seconds)
        return commits

    async def lost(self, partitions: Sequence[Partition]) -> None:
        """Fence and drop: the partitions are another's or another topic's already, so nothing is committed."""
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
        for partition, run in groupby(records, PARTITION):
            await self._take(partition, list(run))
        if records:
            failpoints.reach("booked")
            self._meter.add(CONSUMED_BYTES, amount=sum(record.size for record in records))
            self._bell.ring()
            self._warn_of_stripped()
        commits = self._commits.make(self.leases, self.positions()) if self._commits.due else ()
        paused = self._books.flow.to_pause(frozenset(self.leases)) | self._commits.crowded
        self._meter.set(PAUSED, len(paused))
        renew, self._renewing = frozenset(self._renewing), set()
        return Directive(paused, commits, renew)

    def renew(self, topics: Iterable[str]) -> None:
        """Give the partitions of `topics` up at the next step, without a commit, and take them on as a new consumer.

        Also when none of them is ours now: librdkafka keeps what it knew of a topic, such as its leader's epoch, and
        would wait for ever for the first record of another topic whose leaders count from 0 again.
        """
        self._renewing |= set(topics)

    async def committed(self, commits: Sequence[Commit], error: str | None) -> None:
        """Note what Kafka has; what it refused is tried again at the next interval."""
        self._meter.add(COMMITS, "failed" if error else "ok")
        failpoints.reach("commit.after")
        if error:
            self._commits.refused(commits)

    def share(self, routes: frozenset[str]) -> float:
        """Return which part of the partitions of `routes` is ours: 1 when none is, as there is nothing to share."""
        ours = sum(lease.origin.route in routes for lease in self.leases.values())
        return min(1.0, ours / max(1, self._topics.partitions(routes))) or 1.0

    def positions(self) -> dict[Partition, int]:
        """Return how far each partition is done without a gap: the next offset that is not."""
        ours = [partition for partition in self.leases if partition.topic not in self._renewing]
        known = {partition: self._books.ledger[partition].position for partition in ours}
        return {partition: position for partition, position in known.items() if position is not None}

    async def _take(self, partition: Partition, run: Sequence[Record]) -> None:
        """Take records of one partition: together when they are what was expected, else one by one."""
        lease = self._lease(partition)
        if lease is None:
            return
        if not self._books.ledger[partition].remembers and self._continuity.follow(run):
            self._book(run, lease)
            return
        for record in run:
            await self._take_one(record)

    async def _take_one(self, record: Record) -> None:
        lease = self._lease(record.partition)
        if lease is None:
            return
        if not self._continuity.follow([record]) and await self._continuity.is_another(record):
            log.warning("offsets began anew: the topic was made again", partition=str(record.partition))
            self.renew([record.partition.topic])
            return
        if not self._books.skip(record, lease.origin.route):
            self._book([record], lease)

    def _lease(self, partition: Partition) -> Lease | None:
        """Return the lease under which records of `partition` are taken.

        None for what was fetched before its partition was given up, or about to be: its next owner reads it again.
        """
        return None if partition.topic in self._renewing else self.leases.get(partition)

    def _book(self, run: Sequence[Record], lease: Lease) -> None:
        origin, generation = lease.origin, lease.generation
        writes: list[Write] = []
        for record, epoch in zip(run, origin.timeline.epochs_of(run), strict=True):
            decoded = origin.decoder.decode(record, epoch, generation)
            if isinstance(decoded, Rejected):
                self._books.take(writes)
                writes = []
                self._books.reject(decoded, origin.route, generation)
                self._runtime.spawn(self._bury(decoded, lease))
            else:
                writes.append(decoded)
        self._books.take(writes)

    def _warn_of_stripped(self) -> None:
        for topic, origin in self.origins.items():
            if origin.decoder.stripped and topic not in self._warned:
                self._warned.add(topic)
                log.warning("records bring fields that only the server writes, they are taken away", topic=topic)

    def _forget(self, partitions: Sequence[Partition]) -> None:
        for partition in partitions:
            self._books.fence(partition)
            self.leases.pop(partition, None)
        self._continuity.forget(partitions)
        self._commits.forget(partitions)
        self._missing -= set(partitions)


def _nobody() -> None:
    """Nobody is told."""
