"""A bell: whoever waits is woken when something changed, and looks for himself what it was."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes all who wait. Belongs to one event loop."""

    def __init__(self) -> None:
        """Begin silent."""
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait for the next ring, at most `seconds`."""
        if seconds is not None and seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            pass
