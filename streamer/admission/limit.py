"""The window: how many document inputs may be in flight at a deployment. Arithmetic, without clock and I/O.

Every method that needs the time is given it, in monotonic seconds.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from streamer.admission.capacity import Capacity

SAFE_PART = 0.5
"""Part of the queue slots that may be ours: a node is chosen at random for each document, and others use it too."""

BACK_OFF = 0.7
"""A full queue cuts the window to this part of what was in flight when all was refused; a small share cuts less."""

LEAST_PART, LEAST_INPUTS = 0.25, 8
"""Of the window, and in inputs: what is cut no further. So little fills no queue; who fills it is somebody else."""

RECOVER = 0.05
"""Part of every input that gets through by which a cut window grows again."""

LEAST_BULKS, MOST_BULKS, SMALL_BULK = 8, 24, 4
"""Bulks in a window: at least so many, as nobody refills a bulk's slots until its slowest document is done; and so many
where each still takes that many inputs. Several nodes want small bulks, and not one input each: a bulk that waits for
the longest queue is what keeps more from being sent there."""


class Parts(msgspec.Struct, frozen=True):
    """What a window is made of, in inputs a second and seconds, and which part of it decided.

    `rate` is what gets through of ours, `possible` our share of what the allocations could do; 0 for what is unknown.
    """

    rate: float
    possible: float
    service_s: float
    delay_s: float
    bound: str


class Limit(Protocol):
    """A rule for the window."""

    @property
    def parts(self) -> Parts:
        """What the window is made of."""

    @property
    def window(self) -> int:
        """Document inputs that may be in flight."""

    def on_capacity(self, capacity: Capacity | None, now: float) -> None:
        """Learn the deployment's statistics, or that there are none."""

    def on_success(self, inputs: int, now: float) -> None:
        """Learn that `inputs` were inferred."""

    def on_overload(self, in_flight: int, share: float, now: float) -> None:
        """Learn that the queue was full with `in_flight` inputs of ours, at most once a round trip.

        `share` is the part of what was sent since the time before that was refused.
        """

    def on_hold(self, now: float) -> None:
        """Learn that the deployment is gone."""

    def on_resume(self, now: float) -> None:
        """Learn that it is back."""

    def on_idle(self, now: float) -> None:
        """Learn that there is room and nothing waits: what comes back now says nothing about what could."""

    def set_share(self, share: float) -> None:
        """Learn which part of the work of the group is ours, above 0 and at most 1."""


class Cut:
    """What full queues leave of a window."""

    def __init__(self) -> None:
        """Begin with nothing cut."""
        self._to: float | None = None

    @property
    def made(self) -> bool:
        """Whether something is cut."""
        return self._to is not None

    def overload(self, in_flight: int, share: float) -> None:
        """Cut below what was too much."""
        to = (1 - (1 - BACK_OFF) * share) * in_flight
        self._to = max(1.0, to if self._to is None else min(self._to, to))

    def success(self, inputs: int) -> None:
        """Give some of it back."""
        if self._to is not None:
            self._to += RECOVER * inputs

    def of(self, window: float) -> float:
        """Return what is left of `window`; a cut that it has outgrown is forgotten."""
        if self._to is None or self._to >= window:
            self._to = None
            return window
        return max(self._to, LEAST_PART * window, min(LEAST_INPUTS, window))


class FixedLimit:
    """Always the same window, less after a full queue: for what needs no inference."""

    def __init__(self, most: int) -> None:
        """Allow `most` inputs."""
        self._most = most
        self._cut = Cut()

    @property
    def window(self) -> int:
        """Document inputs that may be in flight, at least 1."""
        return max(1, int(self._cut.of(self._most)))

    @property
    def parts(self) -> Parts:
        """Nothing but the window itself."""
        return Parts(0.0, 0.0, 0.0, 0.0, "fixed")

    def on_capacity(self, capacity: Capacity | None, now: float) -> None:
        """Nothing changes."""

    def on_success(self, inputs: int, now: float) -> None:
        """Let a cut window grow again."""
        del now
        self._cut.success(inputs)

    def on_overload(self, in_flight: int, share: float, now: float) -> None:
        """Cut the window below what was too much."""
        del now
        self._cut.overload(in_flight, share)

    def on_hold(self, now: float) -> None:
        """Nothing changes."""

    def on_resume(self, now: float) -> None:
        """Nothing changes."""

    def on_idle(self, now: float) -> None:
        """Nothing changes."""

    def set_share(self, share: float) -> None:
        """Nothing changes."""


def bulk_size(window: int, most: int) -> int:
    """Return how many inputs one bulk takes, 1 to `most`: an eighth of a small window, a 24th of a large one."""
    return max(1, min(most, window // LEAST_BULKS, max(SMALL_BULK, window // MOST_BULKS)))
