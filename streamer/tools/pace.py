"""A rate such as `500/s`, and when the next one is due."""

from __future__ import annotations

import re

from streamer.clock import Clock
from streamer.errors import InputError

SECONDS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}
_RATE = re.compile(r"^(\d+(?:\.\d+)?)(?:/(s|min|h))?$")
# Shorter waits cost more than they are worth; the schedule makes up for them.
SHORTEST_SLEEP = 0.01


def per_second(text: str) -> float:
    """Return the rate in `500`, `500/s`, `30/min` or `1000/h`. Raises InputError."""
    match = _RATE.match(text.strip())
    if match is None or float(match[1]) == 0.0:
        raise InputError(f"the rate {text!r} is not a number above 0 with /s, /min or /h, for example 500/s")
    return float(match[1]) / SECONDS[match[2] or ""]


class Pace:
    """Lets things pass at a steady rate, without catching up in a burst after a long wait."""

    def __init__(self, clock: Clock, rate: float | None) -> None:
        """Let `rate` things pass in a second; None lets all pass."""
        self._clock = clock
        self._gap = 1 / rate if rate else 0.0
        self._due = clock.monotonic()

    async def wait(self) -> None:
        """Wait until the next one is due."""
        if not self._gap:
            return
        now = self._clock.monotonic()
        self._due = max(self._due, now - 1.0)
        if self._due - now > SHORTEST_SLEEP:
            await self._clock.sleep(self._due - now)
        self._due += self._gap
