"""Which offsets are outstanding, and how far each partition is done without a gap."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from streamer.errors import LedgerError
from streamer.intake.remembered import Range
from streamer.model import Partition


class PartitionLedger:
    """The offsets of one partition under one assignment.

    Offsets arrive in order and may have gaps (compaction, transactions), so it is the delivered ones that are
    tracked. Completions come in any order.
    """

    __slots__ = ("_delivered", "_known", "_last", "_undone", "generation", "position")

    def __init__(self, generation: int, known: Iterable[Range] = ()) -> None:
        """Begin with nothing delivered; `known` are rising ranges that an earlier assignment has done."""
        self.generation = generation
        self._known = deque(known)
        self.position: int | None = None
        """The next offset to read after a restart: nothing before it is undone; None before the first record."""
        self._delivered: deque[int] = deque()
        self._undone: set[int] = set()
        self._last = -1

    def __len__(self) -> int:
        """Return how many delivered offsets are not done."""
        return len(self._undone)

    @property
    def remembers(self) -> bool:
        """Whether records may come that an earlier assignment has done."""
        return bool(self._known)

    def knows(self, offset: int) -> bool:
        """Return whether an earlier assignment has done `offset`, which is to be asked for in rising order."""
        while self._known and self._known[0][1] < offset:
            self._known.popleft()
        return bool(self._known) and self._known[0][0] <= offset

    def done(self) -> Iterator[Range]:
        """Yield the ranges of records above the position that are done, this assignment's and earlier ones'."""
        first = last = -1
        for offset in self._delivered:
            if offset not in self._undone:
                first, last = (offset if first < 0 else first), offset
            elif first >= 0:
                yield first, last
                first = -1
        if first >= 0:
            yield first, last
        for known_first, known_last in self._known:
            if known_last > self._last:
                yield max(known_first, self._last + 1), known_last

    def register(self, offsets: Sequence[int]) -> None:
        """Note delivered offsets, one or more. Raises LedgerError unless each lies after the one before."""
        last = self._last
        for offset in offsets:
            if offset <= last:
                raise LedgerError(f"offset {offset} was delivered after offset {last}: the broker or client repeats")
            last = offset
        if self.position is None:
            self.position = offsets[0]
        self._last = last
        self._delivered.extend(offsets)
        self._undone.update(offsets)

    def complete(self, offsets: Sequence[int]) -> None:
        """Note that delivered offsets are done. Raises LedgerError if one is not outstanding."""
        for offset in offsets:
            if offset not in self._undone:
                raise LedgerError(f"offset {offset} was completed, but it is not outstanding")
            self._undone.remove(offset)
        while self._delivered and self._delivered[0] not in self._undone:
            self._delivered.popleft()
        self.position = self._delivered[0] if self._delivered else self._last + 1


class Ledger:
    """The ledgers of all partitions that are ours; each assignment of a partition is a generation of its own."""

    def __init__(self) -> None:
        """Begin without partitions."""
        self._partitions: dict[Partition, PartitionLedger] = {}
        self._generation = 0

    def __iter__(self) -> Iterator[Partition]:
        """Return the partitions that are ours."""
        return iter(self._partitions)

    def __getitem__(self, partition: Partition) -> PartitionLedger:
        """Return the ledger of a partition that is ours."""
        return self._partitions[partition]

    def __contains__(self, partition: object) -> bool:
        """Return whether the partition is ours."""
        return partition in self._partitions

    def assign(self, partition: Partition, known: Iterable[Range] = ()) -> int:
        """Take a partition on, with what is `known` to be done, and return its new generation."""
        self._generation += 1
        self._partitions[partition] = PartitionLedger(self._generation, known)
        return self._generation

    def fence(self, partition: Partition) -> None:
        """Give a partition up: what is still under way for it may end, but is not ours to complete."""
        self._partitions.pop(partition, None)

    def holds(self, partition: Partition, generation: int) -> bool:
        """Return whether `generation` is the present assignment of `partition`."""
        ledger = self._partitions.get(partition)
        return ledger is not None and ledger.generation == generation

    def complete(self, partition: Partition, generation: int, offsets: Sequence[int]) -> bool:
        """Complete offsets; return False, and change nothing, when they belong to an older assignment."""
        if not self.holds(partition, generation):
            return False
        self._partitions[partition].complete(offsets)
        return True
