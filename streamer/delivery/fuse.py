"""Limits that stop the stream: of what should hardly ever happen, many mean that something else is wrong."""

from __future__ import annotations

from collections import deque

from streamer.clock import Clock

MINUTE_SECONDS = 60.0


class Fuse:
    """Counts events against a limit for any minute and one for the whole run; None is no limit."""

    def __init__(self, clock: Clock, *, per_minute: int | None, per_run: int | None = None) -> None:
        """Begin with nothing counted."""
        self._clock = clock
        self._per_minute, self._per_run = per_minute, per_run
        self._recent: deque[float] = deque()
        self._all = 0

    def count(self) -> str:
        """Count one more event; return which limit it breaks, or nothing."""
        now = self._clock.monotonic()
        self._all += 1
        if self._per_run is not None and self._all > self._per_run:
            return f"more than {self._per_run} in this run"
        if self._per_minute is None:
            return ""
        self._recent.append(now)
        while self._recent[0] <= now - MINUTE_SECONDS:
            self._recent.popleft()
        return f"more than {self._per_minute} in a minute" if len(self._recent) > self._per_minute else ""
