"""How fast our own inputs get through, from when they did. Pure."""

from __future__ import annotations

from collections import deque

SHORT_SECONDS, LONG_SECONDS = 5.0, 15.0
FEWEST = 6
"""Answers from which a rate can be told: of fewer, chance says more."""

LEAST_SPAN = 1.0
TOGETHER_SECONDS = 0.02
"""What gets through within this time counts as one answer, so that no more than 750 are remembered."""


class Rate:
    """Inputs a second over the last 5 seconds, or the last 15 when too few got through in 5.

    The short look back follows a rise and a fall at once, the long one bridges the pauses between slow bulks.
    """

    def __init__(self) -> None:
        """Begin with nothing done."""
        self.total = 0
        self._marks: deque[tuple[float, int]] = deque()

    def done(self, inputs: int, now: float) -> None:
        """Note that `inputs` got through."""
        self.total += inputs
        if self._marks and now - self._marks[-1][0] < TOGETHER_SECONDS:
            at, before = self._marks.pop()
            self._marks.append((at, before + inputs))
        else:
            self._marks.append((now, inputs))
        while self._marks[0][0] < now - LONG_SECONDS:
            self._marks.popleft()

    def forget(self) -> None:
        """Forget what was before a break."""
        self._marks.clear()

    def per_second(self, now: float) -> float:
        """Return inputs a second; 0 until enough of them got through."""
        return self._over(SHORT_SECONDS, now) or self._over(LONG_SECONDS, now)

    def _over(self, seconds: float, now: float) -> float:
        marks = [(at, inputs) for at, inputs in self._marks if at >= now - seconds]
        if len(marks) < FEWEST:
            return 0.0
        # The first one ended a time of which nothing is known: it is where the span begins.
        span = max(LEAST_SPAN, now - marks[0][0])
        return sum(inputs for _, inputs in marks[1:]) / span
