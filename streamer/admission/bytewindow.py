"""How many bytes of bulks may be at Elasticsearch: all lanes share them, because a node's memory is one."""

from __future__ import annotations

from collections.abc import Callable

from streamer.admission.limit import BACK_OFF, RECOVER
from streamer.clock import Clock

CUT_SECONDS = 1.0
LEAST_BYTES = 100_000
"""A window that is cut no further: a bulk of a few documents."""


class Weight:
    """Bytes that a batch holds of the window."""

    def __init__(self, window: ByteWindow, size: int) -> None:
        """Hold `size` bytes."""
        self._window = window
        self.size = 0
        self.resize(size)

    def fits(self, size: int) -> bool:
        """Return whether this may become `size` bytes; what is alone always may."""
        others = self._window.used - self.size
        return not others or others + size <= self._window.limit

    def resize(self, size: int) -> None:
        """Hold `size` bytes from now on; none while nothing of the batch is under way."""
        more, self.size = size - self.size, size
        self._window.moved(more)


class ByteWindow:
    """Bytes under way, and the limit that follows indexing pressure and circuit breakers.

    Elasticsearch accounts the bytes of a bulk until its last document is written, inference included. The cut and the
    return are those of the window of inputs (`limit.py`).
    """

    def __init__(self, most: int, clock: Clock, changed: Callable[[], None]) -> None:
        """Allow `most` bytes; `changed` is called when some become free."""
        self._most, self._clock, self._changed = most, clock, changed
        self._next_cut = clock.monotonic()
        self._limit = float(most)
        self.used = 0

    @property
    def limit(self) -> int:
        """Bytes that may be under way."""
        return int(self._limit)

    @property
    def room(self) -> int:
        """Bytes that may still go."""
        return max(0, self.limit - self.used)

    def admit(self, size: int) -> Weight:
        """Let `size` bytes pass."""
        return Weight(self, size)

    def moved(self, more: int) -> None:
        """Count bytes that went (above zero) or came back."""
        self.used += more
        if more < 0:
            self._changed()

    def passed(self, size: int) -> None:
        """Learn that `size` bytes were taken: a cut window grows again."""
        self._limit = min(self._most, self._limit + RECOVER * size)

    def pressed(self) -> None:
        """Learn that the node's memory was short: cut, once for all bulks that met it."""
        now = self._clock.monotonic()
        if now >= self._next_cut:
            self._limit = max(min(LEAST_BYTES, self._most), min(self._limit, BACK_OFF * max(self.used, LEAST_BYTES)))
            self._next_cut = now + CUT_SECONDS
