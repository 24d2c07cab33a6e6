"""The walks that are open at this process: how many there may be, for each key and in all."""

from __future__ import annotations

import msgspec

from search_api.errors import TooManyCursors
from search_api.settings import CursorSettings
from streamer.clock import Clock


class Walk(msgspec.Struct, frozen=True):
    """An open walk: whose it is, its point in time once it has one, and when that ends (monotonic seconds)."""

    key: str
    point: str | None
    until_s: float


class Register:
    """Open walks by id; those that were forgotten make room by themselves."""

    def __init__(self, settings: CursorSettings, clock: Clock) -> None:
        """Hold the bounds of `settings`."""
        self._settings, self._clock = settings, clock
        self._walks: dict[str, Walk] = {}

    def __len__(self) -> int:
        """Return how many are open."""
        self._forget()
        return len(self._walks)

    def reserve(self, walk_id: str, key: str, keep_alive_s: float) -> None:
        """Take a place for a walk that is about to begin.

        Raises TooManyCursors when `key`, or all together, have as many as they may.
        """
        self._forget()
        own = sum(walk.key == key for walk in self._walks.values())
        if own >= self._settings.per_key:
            raise TooManyCursors(f"{own} cursors of this key are open, and there may be {self._settings.per_key}")
        if len(self._walks) >= self._settings.in_all:
            raise TooManyCursors("as many cursors are open as there may be")
        self.note(walk_id, key, None, keep_alive_s)

    def note(self, walk_id: str, key: str, point: str | None, keep_alive_s: float) -> None:
        """Keep a walk that has begun or goes on, be it that another process began it."""
        self._walks[walk_id] = Walk(key, point, self._clock.monotonic() + keep_alive_s)

    def remove(self, walk_id: str) -> None:
        """Forget a walk that is over; one that is not known is fine."""
        self._walks.pop(walk_id, None)

    def points(self) -> list[str]:
        """Return the points in time of all open walks."""
        self._forget()
        return [walk.point for walk in self._walks.values() if walk.point is not None]

    def _forget(self) -> None:
        now = self._clock.monotonic()
        self._walks = {walk_id: walk for walk_id, walk in self._walks.items() if walk.until_s > now}
