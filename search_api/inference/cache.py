"""A cache of what is slow to compute: bounded, with a time to live, and one computation for all who wait for it."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from streamer.clock import Clock

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Keeps the newest `entries` values for `ttl_s` seconds; errors reach everyone who waits and are not kept."""

    def __init__(self, clock: Clock, *, entries: int, ttl_s: float) -> None:
        """Start empty."""
        self._clock = clock
        self._entries, self._ttl_s = entries, ttl_s
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._running: dict[Key, asyncio.Task[Value]] = {}
        self.counts: Counter[str] = Counter(cached=0, shared=0, computed=0)

    def __len__(self) -> int:
        """Return how many values are kept, expired ones included."""
        return len(self._kept)

    @property
    def running(self) -> int:
        """How many values are being computed."""
        return len(self._running)

    def kept(self, key: Key) -> Value | None:
        """Return the value of `key` if it is there and not expired, and count it as used."""
        kept = self._kept.get(key)
        if kept is None or kept[0] <= self._clock.monotonic():
            return None
        self._kept.move_to_end(key)
        self.counts["cached"] += 1
        return kept[1]

    async def get(self, key: Key, start: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Return the value of `key`; raises what computing it raises.

        `start` gives the computation. It is called only when nobody computes this value yet, and what it raises itself
        reaches this caller alone.
        """
        value = self.kept(key)
        if value is not None:
            return value
        # Shielded: a client that goes away must not end the computation that others wait for.
        return await asyncio.shield(self._task(key, start))

    def newest(self, key: Key) -> Value | None:
        """Return the last value of `key`, even an expired one."""
        kept = self._kept.get(key)
        return kept[1] if kept else None

    async def close(self) -> None:
        """Give up what is being computed."""
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _task(self, key: Key, start: Callable[[], Coroutine[Any, Any, Value]]) -> asyncio.Task[Value]:
        running = self._running.get(key)
        task = running or asyncio.create_task(start())
        self.counts["shared" if running else "computed"] += 1
        if running is None:
            self._running[key] = task
            task.add_done_callback(lambda done: self._finish(key, done))
        return task

    def _finish(self, key: Key, task: asyncio.Task[Value]) -> None:
        del self._running[key]
        # Asking for the exception also says that it was seen, when every waiter is gone.
        if task.cancelled() or task.exception():
            return
        self._kept[key] = (self._clock.monotonic() + self._ttl_s, task.result())
        self._kept.move_to_end(key)
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)
