"""How much may be outstanding: which partitions to pause, with hysteresis so that a pause is worth its refetch."""

from __future__ import annotations

from collections import Counter

import msgspec

from streamer.model import Partition

RESUME_BELOW = 0.5
"""A paused partition comes back when half of the bound is free: librdkafka throws its prefetch away at each pause."""


class Bounds(msgspec.Struct, frozen=True):
    """Most records and bytes outstanding in this process; a partition may hold its even share of them, and no more."""

    records: int
    size: int


class Flow:
    """Records and bytes outstanding by partition, replaced ones included, and who is paused for it."""

    def __init__(self, bounds: Bounds) -> None:
        """Begin with nothing outstanding."""
        self._bounds = bounds
        self._records: Counter[Partition] = Counter()
        self._size: Counter[Partition] = Counter()
        self._paused: frozenset[Partition] = frozenset()

    @property
    def size(self) -> int:
        """Bytes outstanding in all."""
        return self._size.total()

    @property
    def paused(self) -> frozenset[Partition]:
        """The partitions that were last found to be paused."""
        return self._paused

    def took(self, partition: Partition, records: int, size: int) -> None:
        """Count records that came, `size` bytes together."""
        self._records[partition] += records
        self._size[partition] += size

    def done(self, partition: Partition, records: int, size: int) -> None:
        """Count records that are done or dropped, `size` bytes together."""
        self._records[partition] -= records
        self._size[partition] -= size

    def forget(self, partition: Partition) -> None:
        """Drop the counts of a partition that was given up."""
        self._records.pop(partition, None)
        self._size.pop(partition, None)

    def to_pause(self, assigned: frozenset[Partition]) -> frozenset[Partition]:
        """Return which of the `assigned` partitions must not be read now."""
        share = max(1, len(assigned))
        self._paused = frozenset(
            partition
            for partition in assigned
            if self._fill(partition, share) >= (RESUME_BELOW if partition in self._paused else 1.0)
        )
        return self._paused

    def _fill(self, partition: Partition, share: int) -> float:
        records = self._records[partition] * share / self._bounds.records
        size = self._size[partition] * share / self._bounds.size
        return max(records, size)
