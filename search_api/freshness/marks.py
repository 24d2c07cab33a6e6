"""How far one partition is indexed: from progress events to marks that only grow (pure).

Whatever an event says stays true: what is done is in the index and does not leave it. So events may come late, twice
or out of order, and what two of them say may be put together, as long as they speak of the same incarnation of the
topic and of the same index.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from streamer.model import Partition

Range = tuple[int, int]
MOST_RANGES = 100
"""Ranges that are kept of one partition; of more, those nearest to the watermark."""

End = Literal["indexed", "dead_lettered", "lexical", "superseded", "done"]
_ENDS: dict[str, End] = {
    "dead_lettered": "dead_lettered",
    "lexical": "lexical",
    "superseded": "superseded",
    # Here the newer state was in the index already, there it came while this one waited: the same to a reader.
    "stale": "superseded",
}


class Otherwise(msgspec.Struct, frozen=True):
    """Records that are done and are not simply in the index, as runs: first offset, last offset, how they ended.

    Of what lies before `since` nothing is told.
    """

    since: int
    runs: tuple[tuple[int, int, str], ...]


class Progress(msgspec.Struct, frozen=True):
    """A progress event (schemas/progress.json), as far as it is needed here."""

    v: Literal[1]
    topic: str
    partition: int
    topic_id: str
    watermark: int
    done: tuple[Range, ...]
    at_ms: int
    index: str | None = None
    otherwise: Otherwise | None = None

    @property
    def place(self) -> Partition:
        """The partition that it is about."""
        return Partition(self.topic, self.partition)


class Mark(msgspec.Struct, frozen=True):
    """What is done of a partition: everything before `watermark`, and the rising ranges `done` above it."""

    topic_id: str
    watermark: int
    done: tuple[Range, ...] = ()

    def __contains__(self, offset: int) -> bool:
        """Return whether the record at `offset` is done."""
        return offset < self.watermark or any(first <= offset <= last for first, last in self.done)

    def missing(self, low: int, high: int) -> int:
        """Return how many offsets from `low` up to, and without, `high` are not done."""
        start = max(low, self.watermark)
        done = sum(max(0, min(last, high - 1) - max(first, start) + 1) for first, last in self.done)
        return max(0, high - start) - done


def joined(one: Mark, other: Mark) -> Mark:
    """Return what both together say, of the same incarnation."""
    watermark, done = max(one.watermark, other.watermark), []
    for first, last in _merged((*one.done, *other.done)):
        if first <= watermark:
            watermark = max(watermark, last + 1)
        else:
            done.append((first, last))
    return Mark(one.topic_id, watermark, tuple(done[:MOST_RANGES]))


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def mark_of(event: Progress) -> Mark:
    """Return what `event` says is done."""
    return joined(Mark(event.topic_id, event.watermark), Mark(event.topic_id, event.watermark, event.done))


def end_of(event: Progress, offset: int) -> End:
    """Return how the record at `offset`, which is done, ended; `done` where `event` does not tell.

    What was `repeated` was done by an earlier assignment of the partition, and the present one does not know how.
    """
    told = event.otherwise
    if told is None or offset < told.since or offset not in mark_of(event):
        return "done"
    return next((_ENDS.get(ended, "done") for first, last, ended in told.runs if first <= offset <= last), "indexed")
