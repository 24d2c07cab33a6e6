"""The poll thread: takes records, runs rebalances and commits; every decision is the handler's, on the event loop.

Nothing is shared between the thread and the loop. At each turn the thread hands over what it took and gets back what
to pause and what to commit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
from confluent_kafka import OFFSET_BEGINNING, OFFSET_STORED, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from streamer import failpoints, logs
from streamer.clock import SystemClock
from streamer.kafka.admin import Committed, commits_of
from streamer.kafka.client import consumer as configuration
from streamer.kafka.client import ours
from streamer.kafka.complaints import Complaints
from streamer.kafka.messages import record_of, usable
from streamer.kafka.statistics import Statistics
from streamer.model import Partition, Record
from streamer.settings import KafkaSettings

POLL_SECONDS = 0.1
BATCH = 500
BEGINNING: int = OFFSET_BEGINNING
"""Where to begin at the first record that the partition has."""

T = TypeVar("T")
log = logs.get("kafka")


class Commit(msgspec.Struct, frozen=True):
    """A commit to make: `offset` is the next one to read, `metadata` travels with it."""

    partition: Partition
    offset: int
    metadata: str = ""


class Directive(msgspec.Struct, frozen=True):
    """What the poll thread is to do before it polls again.

    `renew` are topics that are not what they were: their partitions count as lost, and a new consumer begins.
    """

    paused: frozenset[Partition] = frozenset()
    commits: tuple[Commit, ...] = ()
    renew: frozenset[str] = frozenset()


class Handler(Protocol):
    """What the loop does with Kafka's events."""

    async def assigned(
        self, partitions: Sequence[Partition], committed: Mapping[Partition, Committed]
    ) -> Mapping[Partition, int]:
        """Take `partitions` on; return where to begin for those that do not begin at what is `committed`."""

    async def revoked(self, partitions: Sequence[Partition]) -> Sequence[Commit]:
        """Finish `partitions` in time, forget them and return their last commits."""

    async def lost(self, partitions: Sequence[Partition]) -> None:
        """Forget `partitions`, which belong to another instance, or to a topic that is gone, already."""

    async def step(self, records: Sequence[Record]) -> Directive:
        """Take `records` (may be none) and say what to pause and commit."""

    async def committed(self, commits: Sequence[Commit], error: str | None) -> None:
        """Learn that `commits` were made, or why not."""


class Source:
    """A consumer group's member."""

    def __init__(
        self, settings: KafkaSettings, topics: Sequence[str], handler: Handler, statistics: Statistics
    ) -> None:
        """Prepare to take `topics` (`^` begins a regular expression) for `handler`; `statistics` learn on the way."""
        self._topics = list(topics)
        self._handler = handler
        self._assigned: set[Partition] = set()
        self._paused: frozenset[Partition] = frozenset()
        self._stopping = threading.Event()
        self._abandoned = False
        self._loop: asyncio.AbstractEventLoop
        self._consumer: Consumer
        self._settings = settings
        self._statistics = statistics
        self._complaints = Complaints("consumer", SystemClock())

    async def run(self) -> None:
        """Poll until `stop`; on the way out give up all partitions, drained and committed.

        Raises KafkaError when Kafka refuses us for good.
        """
        self._loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._thread, args=(ended,), name="kafka-poll").start()
        try:
            await asyncio.shield(ended)
        except asyncio.CancelledError:
            # Something else failed. The thread still needs this loop to let its partitions go.
            self._abandoned = True
            self.stop()
            await asyncio.wait([ended])
            if failure := ended.exception():
                log.warning("poll thread failed", error=str(failure))
            raise

    def stop(self) -> None:
        """Ask the poll thread to end."""
        self._stopping.set()

    def _thread(self, ended: asyncio.Future[None]) -> None:
        failure: BaseException | None = None
        try:
            self._poll_until_stopped()
        except BaseException as error:  # noqa: BLE001 - it goes on in the task that awaits the thread
            failure = error
        self._loop.call_soon_threadsafe(_finish, ended, failure)

    def _poll_until_stopped(self) -> None:
        self._consumer = Consumer(self._configuration())
        try:
            self._begin()
            while not self._stopping.is_set():
                self._obey(self._ask(self._handler.step(self._take())))
            self._give_up()
        except KafkaException as error:
            raise ours(error, "consuming") from error
        finally:
            self._consumer.close()

    def _configuration(self) -> dict[str, Any]:
        calls = {"stats_cb": self._statistics.learn, "error_cb": self._on_error, "on_commit": self._on_commit}
        return configuration(self._settings) | calls

    def _begin(self) -> None:
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _take(self) -> list[Record]:
        return [record_of(message) for message in self._messages() if usable(message)]

    def _messages(self) -> list[Message]:
        first = self._consumer.poll(POLL_SECONDS)
        return [] if first is None else [first, *self._consumer.consume(BATCH, 0)]

    def _obey(self, directive: Directive) -> None:
        wanted = directive.paused & self._assigned
        if more := wanted - self._paused:
            self._consumer.pause([_position(partition) for partition in more])
        if fewer := (self._paused - wanted) & self._assigned:
            self._consumer.resume([_position(partition) for partition in fewer])
        self._paused = frozenset(wanted)
        if directive.commits:
            failpoints.reach("commit.before")
            self._consumer.commit(offsets=[_offset(commit) for commit in directive.commits], asynchronous=True)
        if directive.renew:
            self._renew(directive.renew)

    def _renew(self, topics: frozenset[str]) -> None:
        """Begin again as a new consumer: this one's idea of a topic does not change with the topic."""
        gone = sorted(partition for partition in self._assigned if partition.topic in topics)
        self._forget(gone)
        self._ask(self._handler.lost(gone))
        self._give_up()
        self._paused = frozenset()
        self._consumer.close()
        self._consumer = Consumer(self._configuration())
        self._begin()

    def _give_up(self) -> None:
        partitions = sorted(self._assigned)
        self._assigned.clear()
        if self._abandoned:
            # Who would finish what is in flight has ended: nothing to wait for.
            self._ask(self._handler.lost(partitions))
        else:
            self._commit_now(self._ask(self._handler.revoked(partitions)))

    def _commit_now(self, commits: Sequence[Commit]) -> None:
        if not commits:
            return
        failpoints.reach("commit.before")
        error = None
        try:
            self._consumer.commit(offsets=[_offset(commit) for commit in commits], asynchronous=False)
        except KafkaException as failure:
            # Nothing is lost: the next owner takes these records again.
            error = failure.args[0].str()
            log.warning("commit refused", error=error, partitions=len(commits))
        self._ask(self._handler.committed(commits, error))

    def _on_assign(self, consumer: Consumer, positions: list[TopicPartition]) -> None:
        partitions = _partitions(positions)
        self._assigned |= set(partitions)
        self._paused -= set(partitions)
        starts = self._ask(self._handler.assigned(partitions, commits_of(consumer, partitions)))
        # Both protocols that we use hand out what is new, not the whole.
        consumer.incremental_assign(
            [TopicPartition(*partition, starts.get(partition, OFFSET_STORED)) for partition in partitions]
        )

    def _on_revoke(self, _: Consumer, positions: list[TopicPartition]) -> None:
        partitions = [partition for partition in _partitions(positions) if partition in self._assigned]
        self._forget(partitions)
        if partitions:
            self._commit_now(self._ask(self._handler.revoked(partitions)))

    def _on_lost(self, _: Consumer, positions: list[TopicPartition]) -> None:
        partitions = _partitions(positions)
        self._forget(partitions)
        self._ask(self._handler.lost(partitions))

    def _forget(self, partitions: Sequence[Partition]) -> None:
        self._assigned -= set(partitions)
        self._paused -= set(partitions)

    def _on_commit(self, error: ClientError | None, positions: list[TopicPartition]) -> None:
        refused = [position for position in positions if error or position.error]
        made = [position for position in positions if position not in refused and position.offset >= 0]
        if refused:
            reason = error or refused[0].error
            self._ask(self._handler.committed(_commits(refused), reason.str() if reason else "unknown"))
        if made:
            self._ask(self._handler.committed(_commits(made), None))

    def _on_error(self, error: ClientError) -> None:
        self._complaints.hear(error)
        if error.fatal():
            raise ours(error, "consuming")

    def _ask(self, question: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(question, self._loop).result()


def _finish(ended: asyncio.Future[None], failure: BaseException | None) -> None:
    if failure is None:
        ended.set_result(None)
    else:
        ended.set_exception(failure)


def _partitions(positions: Sequence[TopicPartition]) -> list[Partition]:
    return [Partition(position.topic, position.partition) for position in positions]


def _commits(positions: Sequence[TopicPartition]) -> list[Commit]:
    return [
        Commit(Partition(position.topic, position.partition), position.offset, position.metadata or "")
        for position in positions
    ]


def _position(partition: Partition) -> TopicPartition:
    return TopicPartition(partition.topic, partition.number)


def _offset(commit: Commit) -> TopicPartition:
    return TopicPartition(commit.partition.topic, commit.partition.number, commit.offset, commit.metadata)
