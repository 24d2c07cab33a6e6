"""Time as an argument: logic takes a `Clock`, so that tests need neither patches nor sleeps."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point; never goes back."""

    def now_ms(self) -> int:
        """Return the wall clock in milliseconds since 1970-01-01 UTC; may jump, so it is only written down."""

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass."""


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Return seconds since some fixed point."""
        return time.monotonic()

    def now_ms(self) -> int:
        """Return milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Let `seconds` pass without blocking the event loop."""
        await asyncio.sleep(seconds)


class Deadline:
    """One budget of time that all steps of an operation share."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        """Start a budget of `seconds` now."""
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left, never below zero."""
        return max(0.0, self._end - self._clock.monotonic())
