"""What Kafka is told of the partitions that are ours: how far each is done, and what is done above that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from streamer.batching.lease import Lease
from streamer.clock import Clock
from streamer.intake import remembered
from streamer.intake.ledger import Ledger
from streamer.intake.remembered import CROWDED_CHARACTERS, Memory
from streamer.kafka.source import Commit
from streamer.model import Partition

Positions = Mapping[Partition, int]


class Commits:
    """The commits that were made, and those that are due."""

    def __init__(self, ledger: Ledger, clock: Clock, seconds: float) -> None:
        """Commit what `ledger` says is done, every `seconds`."""
        self._ledger, self._clock, self._seconds = ledger, clock, seconds
        self._made: dict[Partition, Commit] = {}
        self._next = clock.monotonic()
        self.crowded: frozenset[Partition] = frozenset()
        """Partitions with so many gaps that their commit can hardly remember more."""

    @property
    def due(self) -> bool:
        """Whether it is time for the next ones."""
        return self._clock.monotonic() >= self._next

    def make(self, leases: Mapping[Partition, Lease], positions: Positions) -> tuple[Commit, ...]:
        """Return the commits of all partitions that have moved; the next ones are due a while later."""
        self._next = self._clock.monotonic() + self._seconds
        return tuple(self.of(list(leases), leases, positions))

    def of(
        self, partitions: Iterable[Partition], leases: Mapping[Partition, Lease], positions: Positions
    ) -> list[Commit]:
        """Return the commits of those of `partitions` that have moved."""
        commits = [self._commit(one, leases[one], positions[one]) for one in partitions if one in positions]
        moved = [commit for commit in commits if commit != self._made.get(commit.partition)]
        self._made.update((commit.partition, commit) for commit in moved)
        return moved

    def refused(self, commits: Iterable[Commit]) -> None:
        """Make commits again that Kafka refused."""
        for commit in commits:
            self._made.pop(commit.partition, None)

    def forget(self, partitions: Sequence[Partition]) -> None:
        """Drop what is known of partitions that were given up."""
        for partition in partitions:
            self._made.pop(partition, None)
        self.crowded -= set(partitions)

    def _commit(self, partition: Partition, lease: Lease, position: int) -> Commit:
        done = remembered.write_ranges(position, self._ledger[partition].done())
        self.crowded -= {partition}
        if len(done) >= CROWDED_CHARACTERS:
            self.crowded |= {partition}
        epoch = lease.origin.timeline.epoch_at(partition.number, position)
        memory = Memory(topic_id=lease.origin.topic_id, epoch=epoch, done=done)
        return Commit(partition, position, remembered.write(memory))
