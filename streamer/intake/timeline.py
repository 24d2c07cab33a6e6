"""Which epoch a record belongs to: a function of topic id, partition and offset, whenever the record is processed."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from streamer.model import Record


class Timeline(msgspec.Struct, frozen=True):
    """The epochs of one incarnation of a topic.

    `marks` gives for each partition where its epochs begin: `(first offset, epoch)`, in the order of the epochs. Most
    partitions have one; partitions that were added to the topic brought another.
    """

    marks: dict[int, tuple[tuple[int, int], ...]]

    def __contains__(self, number: object) -> bool:
        """Return whether the partition has an epoch."""
        return number in self.marks

    def __len__(self) -> int:
        """Return how many partitions have one."""
        return len(self.marks)

    @property
    def newest(self) -> int:
        """The highest epoch of all partitions."""
        return max(marks[-1][1] for marks in self.marks.values())

    @property
    def epochs(self) -> frozenset[int]:
        """All epochs that a record can belong to."""
        return frozenset(epoch for marks in self.marks.values() for _, epoch in marks)

    def epochs_of(self, records: Sequence[Record]) -> list[int]:
        """Return the epoch of each of `records`, one or more of one partition."""
        number = records[0].partition.number
        marks = self.marks[number]
        if len(marks) == 1:
            return [marks[0][1]] * len(records)
        return [self.epoch_at(number, record.offset) for record in records]

    def epoch_at(self, number: int, offset: int | None) -> int:
        """Return the epoch of an offset of partition `number`: the highest that begins at or before it.

        What lies before all of them (the topic's first offset only grows) belongs to the first; None to the last.
        """
        marks = self.marks[number]
        if offset is None or len(marks) == 1:
            return marks[-1][1]
        return next((epoch for start, epoch in reversed(marks) if start <= offset), marks[0][1])
