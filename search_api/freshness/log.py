"""Where a partition's log ended, and when: tells how old an answer is without a producer's clock (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from streamer.model import Partition

MOST_ENTRIES = 512


class Bounds(NamedTuple):
    """The first offset that Kafka still has, and the one that the next record gets."""

    low: int
    high: int


class Sample(msgspec.Struct, frozen=True):
    """What Kafka says of topics: their ids, and bounds of their partitions, read not before `at` (monotonic seconds).

    A topic that is not there is left out; one whose bounds are not known yet has none.
    """

    at: float
    topic_ids: Mapping[str, str]
    bounds: Mapping[Partition, Bounds]


class Log:
    """The ends of one partition's log over time, bounded: of what is long ago every second one is forgotten."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self.bounds: Bounds | None = None
        self.at = 0.0
        """When the bounds were read."""
        self._highs: list[int] = []
        self._times: list[float] = []

    def _forget(self) -> None:
        self.bounds = None
        self._highs.clear()
        self._times.clear()

    def learn(self, at: float, bounds: Bounds) -> None:
        """Take bounds that were read not before `at`.

        An end that lies before the last one is no end of the same log (the topic was made again, or replicas lost
        records): everything is forgotten, and the next bounds are believed.
        """
        if self.bounds is not None and bounds.high < self.bounds.high:
            self._forget()
            return
        self.bounds, self.at = bounds, at
        if self._highs and self._highs[-1] == bounds.high:
            self._times[-1] = at
        else:
            self._highs.append(bounds.high)
            self._times.append(at)
        if len(self._highs) > MOST_ENTRIES:
            del self._highs[-2::-2], self._times[-2::-2]

    def current_at(self, watermark: int) -> float | None:
        """Return a time before which every record was appended that lies before `watermark`; None when unknown.

        That is: whoever has everything before `watermark` has everything that was in the log at that time.
        """
        if self.bounds is not None and self.bounds.low == self.bounds.high:
            return self.at
        known = bisect_right(self._highs, watermark)
        return self._times[known - 1] if known else None
