"""A circuit breaker: what keeps failing is left alone for a while, then tried with one request.

The three states of M. Nygard's "Release It!" (2007): closed (requests pass, outcomes are counted), open (none passes),
half-open (one passes, and its outcome decides).
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from search_api.settings import BreakerSettings
from streamer.clock import Clock

MOST_OUTCOMES = 1_000
"""Outcomes that are remembered at most: under more load than that a part of the window is as good as all of it."""


class State(StrEnum):
    """What a breaker does with the next request."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Outcome(StrEnum):
    """How a request ended. `ignored`: it says nothing about what was asked, such as one that was cancelled."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"


class Ticket:
    """The right to send one request. Its first end counts; an end that comes after the state has changed does not."""

    def __init__(self, breaker: Breaker, era: int) -> None:
        """Belong to the time between two changes of state that has the number `era`."""
        self._breaker, self._era = breaker, era
        self._ended = False

    def end(self, outcome: Outcome) -> None:
        """Say how the request ended."""
        if not self._ended:
            self._ended = True
            self._breaker.end(self._era, outcome)


class Breaker:
    """Opens when, within a window, enough requests failed and they are a large enough share of all."""

    def __init__(self, settings: BreakerSettings, clock: Clock) -> None:
        """Start closed."""
        self._settings, self._clock = settings, clock
        self._outcomes: deque[tuple[float, Outcome]] = deque(maxlen=MOST_OUTCOMES)
        self._opened_at: float | None = None
        self._probing = False
        self._era = 0

    @property
    def state(self) -> State:
        """The state now."""
        if self._opened_at is None:
            return State.CLOSED
        return State.HALF_OPEN if self._now() >= self._opened_at + self._settings.open_s else State.OPEN

    def admit(self) -> Ticket | None:
        """Return the right to send a request, which must be ended, or None: leave it."""
        state = self.state
        if state is State.OPEN or (state is State.HALF_OPEN and self._probing):
            return None
        self._probing = state is State.HALF_OPEN
        return Ticket(self, self._era)

    def end(self, era: int, outcome: Outcome) -> None:
        """Take the outcome of a ticket of `era`; late ones belong to a state that is gone."""
        if era != self._era:
            return
        if self._opened_at is None:
            self._count(outcome)
        else:
            self._end_probe(outcome)

    def _count(self, outcome: Outcome) -> None:
        if outcome is Outcome.IGNORED:
            return
        now = self._now()
        self._outcomes.append((now, outcome))
        while self._outcomes[0][0] <= now - self._settings.window_s:
            self._outcomes.popleft()
        failures = sum(one is Outcome.FAILURE for _, one in self._outcomes)
        # A success may push older ones out of the window, and so raise the share; it is no reason to open.
        if outcome is Outcome.FAILURE and failures >= max(
            self._settings.failures, self._settings.share * len(self._outcomes)
        ):
            self._change(now)

    def _end_probe(self, outcome: Outcome) -> None:
        if outcome is Outcome.IGNORED:
            self._probing = False
        else:
            self._change(None if outcome is Outcome.SUCCESS else self._now())

    def _change(self, opened_at: float | None) -> None:
        self._opened_at, self._probing = opened_at, False
        self._era += 1
        self._outcomes.clear()

    def _now(self) -> float:
        return self._clock.monotonic()
