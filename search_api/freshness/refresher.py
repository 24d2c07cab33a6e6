"""One refresh for all who wait, and not more often than the settings allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from search_api.freshness.board import Board
from search_api.freshness.index import Index
from streamer import logs
from streamer.clock import Clock
from streamer.errors import ElasticError

log = logs.get("freshness")


class Refresher:
    """Refreshes the index of one board when somebody wants it."""

    def __init__(self, board: Board, index: Index, clock: Clock, every_s: float, changed: Callable[[], None]) -> None:
        """Tell `board`, and call `changed`, at most every `every_s` seconds."""
        self._board, self._index, self._clock = board, index, clock
        self._every_s, self._changed = every_s, changed
        self._wanted = False
        self._last = float("-inf")
        self._task: asyncio.Task[None] | None = None
        self.failure: ElasticError | None = None
        """Why the last refresh failed, if it did, and when that was known."""
        self.failed_at = float("-inf")

    def want(self) -> None:
        """Ask for a refresh that begins after now."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Give up what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while self._wanted:
            await self._clock.sleep(max(0.0, self._last + self._every_s - self._clock.monotonic()))
            self._wanted, self._last = False, self._clock.monotonic()
            await self._refresh()
            self._changed()

    async def _refresh(self) -> None:
        # Noted before it is sent: what is indexed meanwhile may be missed by it.
        marks, created_ms = self._board.indexed(), self._board.created_ms
        try:
            await self._index.refresh(self._board.alias)
        except ElasticError as error:
            if self.failure is None:
                log.warning("not refreshed", index=self._board.alias, error=str(error))
            self.failure, self.failed_at = error, self._clock.monotonic()
        else:
            self.failure = None
            self._board.refreshed(marks, created_ms)
