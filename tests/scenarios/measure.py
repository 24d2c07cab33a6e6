"""What happened at the deployment: levels over time in bins, waits, and counts."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

BIN_S = 0.2
STEADY_BINS = 10
"""Back at work is who is busy over two seconds."""
BACK_AT = 0.95


class Track:
    """A level that steps up and down, as its integral in bins of BIN_S."""

    def __init__(self, seconds: float) -> None:
        self.bins = array("d", bytes(8 * (int(seconds / BIN_S) + 2)))
        self.level = 0.0
        self._at, self._end = 0.0, seconds

    def to(self, now: float, level: float) -> None:
        """Let the level be `level` from `now` on."""
        now = min(now, self._end)
        if self.level:
            first, last = int(self._at / BIN_S), int(now / BIN_S)
            if first == last:
                self.bins[first] += self.level * (now - self._at)
            else:
                self.bins[first] += self.level * ((first + 1) * BIN_S - self._at)
                for index in range(first + 1, last):
                    self.bins[index] += self.level * BIN_S
                self.bins[last] += self.level * (now - last * BIN_S)
        self._at, self.level = now, level

    def add(self, now: float, more: float) -> None:
        """Let the level be `more` higher from `now` on."""
        self.to(now, self.level + more)


class Measured:
    """Everything that is counted while a scenario plays. Times are seconds into it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ours, self.others = Track(seconds), Track(seconds)
        """Allocations at work for the clients under test, and for others."""
        self.allocations, self.power = Track(seconds), Track(seconds)
        """Allocations that there are, and what they are worth in whole ones at the speed of the start."""
        self.gaps_s = 0.0
        """Seconds in which allocations had an inference and their model was idle."""
        self.waits: list[float] = []
        self.bulks: list[float] = []
        """Seconds of each bulk at the server."""
        self.search_waits: list[float] = []
        self.searches_refused = 0
        self.freshness: list[float] = []
        self.rejections = self.wasted = self.indexed = self.lost = 0
        self.work = 0.0
        """Inference seconds, on whole allocations, of the documents that were indexed, each once."""
        self.by_client: dict[str, list[tuple[float, float]]] = {}
        """When which client got how much work indexed."""
        self.arrived: list[tuple[float, float]] = []
        """When a document arrived, and the inference seconds of one."""
        self.error = ""
        """What ended the clients before the scenario was over."""
        self.changes: list[float] = []
        """When capacity or the length of documents changed."""
        self.windows: list[tuple[float, float, float]] = []
        """Second, sum of the windows, documents of ours at the deployment."""

    def finish(self) -> None:
        """Bring the levels up to the end."""
        for track in (self.ours, self.others, self.allocations, self.power):
            track.add(self.seconds, 0.0)

    def busy(self) -> float:
        """Return the part of the allocations' time in use."""
        used = sum(self.ours.bins) + sum(self.others.bins)
        return (used - self.gaps_s) / (sum(self.allocations.bins) or 1.0)

    def possible(self) -> float:
        """Return the work that a perfect client would have got done, beside what the others took."""
        waiting, done, arrivals = 0.0, 0.0, sorted(self.arrived)
        backlog, at = not arrivals, 0
        for index, power in enumerate(self.power.bins):
            left = power * (1 - min(1.0, self.others.bins[index] / (self.allocations.bins[index] or 1.0)))
            while at < len(arrivals) and arrivals[at][0] < index * BIN_S:
                waiting += arrivals[at][1]
                at += 1
            part = left if backlog else min(left, waiting)
            waiting, done = waiting - part, done + part
        return done

    def recoveries(self) -> list[float]:
        """Return for each change of capacity the seconds until the allocations were at work again."""
        return [self._recovery(at) for at in self.changes if at < self.seconds - STEADY_BINS * BIN_S]

    def _recovery(self, at: float) -> float:
        first = int(at / BIN_S + 0.999)
        for begin in range(first, int(self.seconds / BIN_S) - STEADY_BINS + 1):
            span = slice(begin, begin + STEADY_BINS)
            there = sum(self.allocations.bins[span])
            used = sum(self.ours.bins[span]) + sum(self.others.bins[span])
            if there and used / there >= BACK_AT:
                return (begin - first) * BIN_S
        return self.seconds - at

    def fairness(self, since: float, until: float) -> float:
        """Return Jain's index of the work of the clients between two times."""
        return jain([sum(work for at, work in done if since <= at < until) for done in self.by_client.values()])


def jain(shares: Iterable[float]) -> float:
    """Return (sum x)^2 / (n sum x^2): 1 when all have the same, 1/n when one has all."""
    found = list(shares)
    squares = sum(one * one for one in found)
    return sum(found) ** 2 / (len(found) * squares) if squares else 1.0


def quantile(values: list[float], part: float) -> float:
    """Return the value below which `part` of the values lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0
