"""What is known to be done in one incarnation of a partition, and since when (pure)."""

from __future__ import annotations

from collections import deque

import msgspec

from search_api.freshness.marks import Mark, Progress, joined, mark_of

MOST_BUCKETS = 8
"""How finely the time is told since when something is known."""


class Bucket(msgspec.Struct):
    """What was known at `at`; the first of it was learned at `opened`."""

    opened: float
    at: float
    mark: Mark


class History:
    """The marks of one partition under one topic id."""

    def __init__(self, event: Progress, now: float) -> None:
        """Begin with a first event."""
        self.latest = event
        """The last event that came: what tells how records ended."""
        self._buckets = deque([Bucket(now, now, mark_of(event))])

    @property
    def mark(self) -> Mark:
        """All that is known."""
        return self._buckets[-1].mark

    def learn(self, event: Progress, now: float, delay: float) -> None:
        """Take another event; what is known for `delay` seconds is of interest (see `known_since`)."""
        self.latest = event
        mark, last = joined(self.mark, mark_of(event)), self._buckets[-1]
        if now - last.opened < delay / MOST_BUCKETS:
            last.at, last.mark = now, mark
        else:
            self._buckets.append(Bucket(now, now, mark))
        # More than these lie within the delay only when it has just become longer.
        while len(self._buckets) > MOST_BUCKETS + 2:
            self._buckets.popleft()

    def known_since(self, at: float) -> Mark | None:
        """Return what was known at `at` already, as far as it is remembered."""
        return next((bucket.mark for bucket in reversed(self._buckets) if bucket.at <= at), None)

    def next_known(self, at: float) -> float | None:
        """Return the first time after `at` when more was known; None if all was."""
        return next((bucket.at for bucket in self._buckets if bucket.at > at), None)

    def begin_again(self, now: float) -> None:
        """Forget everything but the last event: the index is another one."""
        self._buckets = deque([Bucket(now, now, mark_of(self.latest))])
