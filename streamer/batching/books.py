"""Everything that is under way, in one place: a record moves between waiting, in flight and done only here.

The event loop owns the books; nothing in them is locked and nothing waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from streamer.batching.batcher import Batcher, Room
from streamer.batching.coalesce import Coalescer, Key
from streamer.batching.endings import OTHERWISE, Endings
from streamer.clock import Clock
from streamer.intake.accounts import Account, Accounts
from streamer.intake.flow import Bounds, Flow
from streamer.intake.ledger import Ledger
from streamer.intake.remembered import Range
from streamer.model import LOOK_UP, PLAIN, Partition, Record, Rejected, Result, Write

ROUTE = attrgetter("route")
BOOKED_AS = attrgetter("route", "record.partition", "generation", "via")
"""What writes have in common that are booked together; nearly all of a batch follow each other so."""


class Books:
    """The records that were taken and are not done, and the counts of those that are."""

    def __init__(self, bounds: Bounds, clock: Clock, changed: Callable[[], None]) -> None:
        """Begin empty; `changed` is called when something may be sent or was finished."""
        self.ledger = Ledger()
        self.accounts = Accounts()
        self.flow = Flow(bounds)
        self.newest: dict[Partition, int] = {}
        """Timestamp of the newest record that is done, in milliseconds since 1970, by partition."""
        self.endings: dict[Partition, Endings] = {}
        """Which records ended otherwise than in the index, by partition; none before the first record."""
        self._coalescer = Coalescer()
        self._batcher = Batcher(self._coalescer.ready)
        self._clock = clock
        self._changed = changed
        self._leaving: set[Partition] = set()
        self._airborne: Counter[tuple[Account, int]] = Counter()

    # --- partitions come and go

    def assign(self, partition: Partition, known: Iterable[Range] = ()) -> int:
        """Take a partition on, with the ranges that are `known` to be done, and return its generation."""
        self._leaving.discard(partition)
        return self.ledger.assign(partition, known)

    def leave(self, partitions: Iterable[Partition]) -> None:
        """Begin to give partitions up: what waits of them is handed over, what is in flight may still end."""
        for partition in partitions:
            self._leaving.add(partition)
            for write in self._coalescer.drop(partition):
                self._batcher.add(write.key, self._clock.monotonic())
                self.accounts.ended_waiting(_account(write), Result.HANDED_OVER)
        self._changed()

    def fence(self, partition: Partition) -> None:
        """Give a partition up: what is still in flight belongs to its next owner."""
        for (account, generation), count in list(self._airborne.items()):
            if account[1] == partition:
                self._airborne.pop((account, generation))
                for _ in range(count):
                    self.accounts.ended_in_flight(account, Result.HANDED_OVER)
        self.ledger.fence(partition)
        self.endings.pop(partition, None)
        self.flow.forget(partition)
        self._leaving.discard(partition)

    def drained(self, partitions: Iterable[Partition]) -> bool:
        """Return whether nothing of `partitions` is in flight."""
        wanted = set(partitions)
        return not any(count and account[1] in wanted for (account, _), count in self._airborne.items())

    def is_staying(self, write: Write) -> bool:
        """Return whether it is still ours to see `write` through."""
        return write.partition not in self._leaving and self.ledger.holds(write.partition, write.generation)

    # --- records come

    def skip(self, record: Record, route: str) -> bool:
        """Return whether an earlier assignment has done `record`, and if so, complete it."""
        ledger = self.ledger[record.partition]
        if not ledger.knows(record.offset):
            return False
        account = (route, record.partition)
        self._register([record])
        self.accounts.took(account)
        self.accounts.ended_waiting(account, Result.REPEATED)
        self._settle([record], ledger.generation, Result.REPEATED)
        return True

    def take(self, writes: Sequence[Write]) -> None:
        """Let writes of one partition wait; those that they replace are superseded when they have succeeded."""
        if not writes:
            return
        self._register([write.carrier for write in writes])
        partition = writes[0].partition
        for route, of_route in groupby(writes, ROUTE):
            self.accounts.took((route, partition), len(list(of_route)))
        now = self._clock.monotonic()
        for write in writes:
            key = write.key
            if self._coalescer.offer(key, write):
                self._batcher.begin(key, write, now)
            elif self._coalescer.ready(key) is not None:
                self._batcher.add(key, now)

    def reject(self, rejected: Rejected, route: str, generation: int) -> None:
        """Take a record that goes to the dead letters at once; it replaces nothing."""
        account = (route, rejected.carrier.partition)
        self._register([rejected.carrier])
        self.accounts.took(account)
        self._send(account, generation)

    def rejected(self, record: Record, route: str, generation: int) -> None:
        """Complete a record, the carrier of a rejected one, whose dead letter is acknowledged."""
        self._complete((route, record.partition), [record], generation, Result.DEAD_LETTERED)
        self._changed()

    # --- what goes next

    def waiting(self, lane: str) -> int:
        """Return how many keys are ready to be sent."""
        return self._batcher.waiting(lane)

    def oldest(self, lane: str) -> float | None:
        """Return when the first of them became ready, in monotonic seconds."""
        return self._batcher.oldest(lane)

    def form(self, lane: str, room: Room) -> list[Write]:
        """Move the next writes that fit into `room` into flight and return them."""
        formed = self._batcher.form(lane, room)
        for key in formed:
            self._coalescer.take(key)
        writes = list(formed.values())
        for account, generation, group in _booked_together(writes):
            self._send(account, generation, len(group))
        return writes

    def renew(self, write: Write) -> Write:
        """Return what to send in place of `write`, which must be sent again: the newest of its key.

        A write that needs inference never takes the place of one that does not: it has a window of its own to pass.
        """
        newer = self._coalescer.renewed(write, frozenset({write.lane, PLAIN}))
        if newer is write:
            return write
        self._return(write)
        self._send(_account(newer), newer.generation)
        return newer

    def ask(self, room: Room) -> list[Write]:
        """Return the next writes that the index is to be asked about; until `answered` they wait in no queue."""
        return list(self._batcher.form(LOOK_UP, room).values())

    def answered(self, asked: Write, known: Write) -> None:
        """Let `known` wait in the place of `asked`, unless something newer does by now."""
        if self._coalescer.exchange(asked, known):
            self._queue(known.key)

    def change(self, lane: str, change: Callable[[Write], Write]) -> None:
        """Put `change(write)` in the place of each write that waits in `lane`; it may go in another lane then."""
        now = self._clock.monotonic()
        for key in self._batcher.keys(lane):
            self._coalescer.change(key, change)
            self._batcher.add(key, now)

    def put_back(self, write: Write) -> None:
        """Let a write in flight wait again."""
        self._coalescer.returned(write)
        self._return(write)
        self._next(write)

    # --- records end

    def succeeded(self, writes: Sequence[Write], result: Result) -> None:
        """Complete writes that are done, and those that they stood for."""
        for write in writes:
            for superseded in self._coalescer.succeeded(write):
                self._end_waiting(superseded)
        for account, generation, group in _booked_together(writes):
            self._complete(account, [write.carrier for write in group], generation, result)
        for write in writes:
            self._queue(write.key)
        self._changed()

    def refused(self, write: Write) -> None:
        """Complete a write whose dead letter is acknowledged; those that it stood for wait again."""
        self._coalescer.refused(write)
        self._complete(_account(write), [write.carrier], write.generation, Result.DEAD_LETTERED)
        self._next(write)

    def abandon(self, write: Write) -> None:
        """Let go of a write that is not ours any more, or soon will not be.

        It may stand for writes of a partition that stays: those wait again.
        """
        self._coalescer.refused(write)
        if self._lands(_account(write), write.generation):
            self.accounts.ended_in_flight(_account(write), Result.HANDED_OVER)
        self._next(write)

    def _register(self, records: Sequence[Record]) -> None:
        partition, first = records[0].partition, records[0].offset
        self.ledger[partition].register([record.offset for record in records])
        self.endings.setdefault(partition, Endings(first))
        self.flow.took(partition, len(records), sum(record.size for record in records))

    def _queue(self, key: Key) -> None:
        if self._coalescer.ready(key) is not None:
            self._batcher.add(key, self._clock.monotonic())

    def _next(self, write: Write) -> None:
        """A newer write of the key waited for this one to end."""
        self._queue(write.key)
        self._changed()

    def _send(self, account: Account, generation: int, records: int = 1) -> None:
        self.accounts.sent(account, records)
        self._airborne[account, generation] += records

    def _return(self, write: Write) -> None:
        if self._lands(_account(write), write.generation):
            self.accounts.returned(_account(write))

    def _lands(self, account: Account, generation: int, records: int = 1) -> bool:
        """Note that records are not in flight any more; False when they were handed over before."""
        key = (account, generation)
        left = self._airborne.pop(key, 0) - records
        if left > 0:
            self._airborne[key] = left
        return left >= 0

    def _complete(self, account: Account, records: Sequence[Record], generation: int, result: Result) -> None:
        if self._lands(account, generation, len(records)):
            self.accounts.ended_in_flight(account, result, len(records))
            self._settle(records, generation, result)

    def _end_waiting(self, write: Write) -> None:
        """A write that another stands for ends without being sent."""
        if self.ledger.holds(write.partition, write.generation):
            self.accounts.ended_waiting(_account(write), Result.SUPERSEDED)
            self._settle([write.carrier], write.generation, Result.SUPERSEDED)

    def _settle(self, records: Sequence[Record], generation: int, result: Result) -> None:
        partition = records[0].partition
        if not self.ledger.complete(partition, generation, [record.offset for record in records]):
            return
        if result in OTHERWISE:
            for record in records:
                self.endings[partition].add(record.offset, result)
        self.flow.done(partition, len(records), sum(record.size for record in records))
        self.newest[partition] = max(self.newest.get(partition, 0), *(record.timestamp_ms for record in records))


def _booked_together(writes: Sequence[Write]) -> Iterator[tuple[Account, int, list[Write]]]:
    """Yield writes that follow each other and have account and generation in common, with both."""
    for _, group in groupby(writes, BOOKED_AS):
        together = list(group)
        yield _account(together[0]), together[0].generation, together


def _account(write: Write) -> Account:
    return (write.route, write.partition)
