"""Which records of a partition are done and not simply in the index: what progress events tell apart (pure)."""

from __future__ import annotations

from bisect import bisect

from streamer.model import Result

MOST_RUNS = 100
"""Runs that are remembered of one partition; of more, those at the highest offsets."""

OTHERWISE = frozenset({Result.DEAD_LETTERED, Result.LEXICAL, Result.SUPERSEDED, Result.STALE, Result.REPEATED})
"""Ends that are told; every other record that is done is in the index, or deleted there."""

Run = tuple[int, int, Result]


class Endings:
    """The runs of one partition under one assignment: first offset, last offset, how they ended; rising."""

    __slots__ = ("_runs", "since")

    def __init__(self, since: int) -> None:
        """Begin at the first offset that was taken."""
        self._runs: list[Run] = []
        self.since = since
        """Of what lies before nothing is told."""

    def add(self, offset: int, result: Result) -> None:
        """Note how a record ended, each once."""
        if offset < self.since or result not in OTHERWISE:
            return
        at = bisect(self._runs, offset, key=lambda run: run[0])
        if at and self._runs[at - 1][1:] == (offset - 1, result):
            at -= 1
            self._runs[at] = (self._runs[at][0], offset, result)
        else:
            self._runs.insert(at, (offset, offset, result))
        self._join(at)
        if len(self._runs) > MOST_RUNS:
            self.since = self._runs.pop(0)[1] + 1

    def told(self) -> list[list[int | str]]:
        """Return the runs as events tell them."""
        return [[first, last, result.value] for first, last, result in self._runs]

    def _join(self, at: int) -> None:
        if at + 1 < len(self._runs):
            (first, last, result), (following, end, other) = self._runs[at : at + 2]
            if following == last + 1 and other is result:
                self._runs[at : at + 2] = [(first, end, result)]
