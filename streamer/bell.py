"""A bell: whoever waits is woken when something changed, and looks for himself what it was."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes all who wait. Belongs to one event loop."""

    def __init__(self) -> None:
        """Begin silent."""
        self._rung: asyncio.Event | None = None
        """There only while somebody waits: most rings come while all are at work."""

    def ring(self) -> None:
        """Wake everybody who waits now."""
        if self._rung is not None:
            self._rung.set()
            self._rung = None

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the next ring, at most `seconds`."""
        if seconds is not None and seconds <= 0:
            return
        rung = self._rung = self._rung or asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await rung.wait()
        except TimeoutError:
            pass
