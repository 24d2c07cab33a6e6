"""Keeps what is known up to date: follows the progress events and looks where the topics end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from search_api.freshness.board import Board
from search_api.freshness.log import Sample
from search_api.freshness.marks import Progress
from streamer import logs
from streamer.clock import Clock
from streamer.errors import KafkaError

HURRY_S = 0.1
"""Least time between two looks, however much they are wanted."""
QUIET_S = 10.0

log = logs.get("freshness")


class Door(Protocol):
    """What is asked of Kafka; a test gives another."""

    async def sample(self, topics: Iterable[str]) -> Sample:
        """Return what Kafka says of `topics` now. Raises KafkaError."""

    async def follow(self, take: Callable[[Sequence[bytes]], None]) -> None:
        """Hand every progress event to `take`, from the first that there is, until cancelled."""


class Watch:
    """Teaches `boards`."""

    def __init__(self, door: Door, boards: Sequence[Board], clock: Clock, changed: Callable[[], None]) -> None:
        """Ask `door`, and call `changed` when something was learned."""
        self._door, self._boards, self._clock, self._changed = door, boards, clock, changed
        self._decoder = msgspec.json.Decoder(Progress)
        self._hurry = asyncio.Event()
        self._told = float("-inf")
        self.sampled_at = float("-inf")
        """When the last look at the topics began."""

    async def follow(self) -> None:
        """Take progress events until cancelled."""
        await self._door.follow(self.take)

    def take(self, values: Sequence[bytes]) -> None:
        """Take progress events; what is none is told in the log."""
        now = self._clock.monotonic()
        for value in values:
            try:
                event = self._decoder.decode(value)
            except msgspec.DecodeError as error:
                self._complain("not a progress event", str(error))
                continue
            for board in self._boards:
                board.progressed(event, now)
        self._changed()

    async def look(self, every_s: float) -> None:
        """Look where the topics end every `every_s` seconds, or sooner after `hurry`, until cancelled."""
        topics = frozenset[str]().union(*(board.topics for board in self._boards))
        while True:
            self._hurry.clear()
            await self._look(topics)
            await self._clock.sleep(HURRY_S)
            await self._pause(every_s - HURRY_S)

    def hurry(self) -> None:
        """Ask for a look that begins after now."""
        self._hurry.set()

    async def _look(self, topics: frozenset[str]) -> None:
        try:
            sample = await self._door.sample(topics)
        except KafkaError as error:
            self._complain("cannot tell where the topics end", str(error))
            return
        for board in self._boards:
            board.sampled(sample)
        self.sampled_at = sample.at
        self._changed()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._hurry.wait(), max(0.0, seconds))
        except TimeoutError:
            return

    def _complain(self, what: str, error: str) -> None:
        if self._clock.monotonic() >= self._told + QUIET_S:
            self._told = self._clock.monotonic()
            log.warning(what, error=error)
