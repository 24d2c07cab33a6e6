"""What all stages of a running streamer share."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from streamer.bell import Bell
from streamer.clock import Clock
from streamer.metrics import Meter


class Runtime:
    """Clock, bell and metrics of a run, and the group in which its tasks are watched: if one fails, all end."""

    def __init__(self, clock: Clock, meter: Meter, tasks: asyncio.TaskGroup) -> None:
        """Share `clock`, `meter` and `tasks`."""
        self.clock, self.meter, self.bell = clock, meter, Bell()
        self._group = tasks
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Start `work` as a watched task."""
        task = self._group.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def end(self) -> None:
        """Cancel what is still at work."""
        for task in self._tasks:
            task.cancel()
