"""The window: how many document inputs may be in flight at a deployment. Arithmetic, without clock and I/O."""

from __future__ import annotations

from typing import Protocol

from streamer.admission.capacity import Capacity

SAFE_PART = 0.5
"""Part of the queue slots that may be ours: a node is chosen at random for each document, and others use it too."""

BACK_OFF = 0.7
"""A full queue cuts the window to this part of what was in flight."""

RECOVER = 0.05
"""Part of every input that gets through by which a cut window grows again."""

BULKS_PER_WINDOW = 8
"""Bulks of an eighth of the window: nobody refills a bulk's slots until its slowest document is done."""


class Limit(Protocol):
    """A rule for the window."""

    @property
    def window(self) -> int:
        """Document inputs that may be in flight."""

    def on_capacity(self, capacity: Capacity | None) -> None:
        """Learn the deployment's statistics, or that there are none."""

    def on_success(self, inputs: int) -> None:
        """Learn that `inputs` were inferred."""

    def on_overload(self, in_flight: int) -> None:
        """Learn that the queue was full with `in_flight` inputs of ours, at most once a round trip."""


class FixedLimit:
    """So many inputs for each allocation, never more than half of the queue slots; less after a full queue."""

    def __init__(self, per_allocation: int) -> None:
        """Allow `per_allocation` inputs, as for one allocation until the statistics say otherwise."""
        self._per_allocation = per_allocation
        self._ceiling = float(per_allocation)
        self._cut = self._ceiling

    @property
    def window(self) -> int:
        """Document inputs that may be in flight, at least 1."""
        return max(1, int(min(self._cut, self._ceiling)))

    def on_capacity(self, capacity: Capacity | None) -> None:
        """Follow the allocations; without statistics the window stays as it is."""
        if capacity is None or not capacity.nodes:
            return
        was_cut = self._cut < self._ceiling
        wanted = self._per_allocation * max(1, capacity.allocations)
        self._ceiling = min(wanted, SAFE_PART * capacity.queue_capacity * capacity.nodes)
        if not was_cut:
            self._cut = self._ceiling

    def on_success(self, inputs: int) -> None:
        """Let a cut window grow again."""
        self._cut = min(self._ceiling, self._cut + RECOVER * inputs)

    def on_overload(self, in_flight: int) -> None:
        """Cut the window below what was too much."""
        self._cut = max(1.0, min(self._cut, BACK_OFF * in_flight))


def bulk_size(window: int, most: int) -> int:
    """Return how many inputs one bulk takes: an eighth of the window, 1 to `most`."""
    return max(1, min(most, window // BULKS_PER_WINDOW))
