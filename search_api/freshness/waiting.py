"""Waiting until an index has come as far as a request asks, bounded in time and in number."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec

from search_api.errors import Fault, FreshnessUnavailable, InvalidRequest, NotFreshInTime, Overloaded, PositionGone
from search_api.freshness.board import Board
from search_api.freshness.note import Note, note
from search_api.freshness.position import Position
from search_api.freshness.refresher import Refresher
from search_api.freshness.watch import Watch
from streamer.clock import Clock
from streamer.errors import ElasticRefused

HTTP_FORBIDDEN = 403


class Wanted(msgspec.Struct, frozen=True):
    """What a request waits for: positions, an age in seconds; `wait_s` is how long."""

    positions: tuple[Position, ...]
    max_age: float | None
    wait_s: float
    accept_stale: bool


class Bell:
    """Wakes all who wait for anything to change."""

    def __init__(self) -> None:
        """Begin silent."""
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Wait for the next ring, at most `seconds`."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return


class Waiting:
    """Who waits for one index."""

    def __init__(self, board: Board, refresher: Refresher | None, watch: Watch, bell: Bell, clock: Clock) -> None:
        """Wait for what `board` learns; without `refresher` the index refreshes by itself."""
        self._board, self._refresher, self._watch = board, refresher, watch
        self._bell, self._clock = bell, clock

    async def until(self, wanted: Wanted, learn: Callable[[], Awaitable[object]]) -> Note:
        """Return what is known once it is enough; `learn` is called before each look, to ask what the index is now.

        Raises NotFreshInTime when it takes too long and the client does not take what is stale, InvalidRequest for a
        position that no record has, PositionGone when its topic is another one, FreshnessUnavailable when the index
        may not be refreshed.
        """
        began = self._clock.monotonic()
        while True:
            await learn()
            now = self._clock.monotonic()
            found = self._look(wanted, now)
            self._refuse(found, began)
            found = msgspec.structs.replace(found, waited_s=now - began)
            if not found.stale:
                return found
            if now >= began + wanted.wait_s:
                return self._late(found, wanted)
            wanted = msgspec.structs.replace(wanted, positions=self._pinned(wanted.positions))
            self._push(wanted, found, began)
            await self._bell.wait(self._next(now, began + wanted.wait_s) - now)

    def _look(self, wanted: Wanted, now: float) -> Note:
        itself = self._board.searchable(now)
        sure = itself if self._refresher is None else self._board.proved()
        # An age that is asked for must be sure; what else an answer tells may be expected.
        visible = itself if wanted.max_age is None else sure
        positions, max_age = wanted.positions, wanted.max_age
        return note(self._board, now, visible, sure=sure, positions=positions, max_age=max_age)

    def _pinned(self, positions: tuple[Position, ...]) -> tuple[Position, ...]:
        """A position that was asked for means the topic that there is now, not one that may come."""
        return tuple(
            msgspec.structs.replace(one, meant=one.meant or self._board.topic_id(one.partition.topic))
            for one in positions
        )

    def _refuse(self, found: Note, began: float) -> None:
        states = dict(found.positions)
        gone = [str(position) for position, state in states.items() if state == "elsewhere"]
        if gone and self._watch.sampled_at >= began:
            raise PositionGone(f"{', '.join(gone)}: the topic was deleted or made again, there is no such record now")
        beyond = [position for position, state in states.items() if state == "beyond"]
        if beyond and self._watch.sampled_at >= began:
            raise InvalidRequest(*map(self._beyond, beyond))
        if found.stale and self._is_forbidden(began):
            raise FreshnessUnavailable(
                "this service may not refresh the index: it needs the privilege `maintenance`, or "
                "freshness.searchable_by = interval"
            )

    def _is_forbidden(self, since: float) -> bool:
        if self._refresher is None or self._refresher.failed_at <= since:
            return False
        failure = self._refresher.failure
        return isinstance(failure, ElasticRefused) and failure.status == HTTP_FORBIDDEN

    def _beyond(self, position: Position) -> Fault:
        bounds = next((one.bounds for one in self._board.claims({}) if one.partition == position.partition), None)
        if bounds is None:
            return Fault(f"{position}: there is no such partition", pointer="/min_position")
        return Fault(f"{position}: the partition ends at {bounds.high}", pointer="/min_position")

    def _push(self, wanted: Wanted, found: Note, began: float) -> None:
        if self._watch.sampled_at < began and any(state in {"beyond", "elsewhere"} for _, state in found.positions):
            self._watch.hurry()
        if self._refresher is not None and self._helps(wanted, found):
            self._refresher.want()

    def _helps(self, wanted: Wanted, found: Note) -> bool:
        """Return whether a refresh would bring anything that is waited for."""
        if any(state == "indexed" for _, state in found.positions):
            return True
        if wanted.max_age is None:
            return False
        return not note(self._board, found.at, self._board.indexed(), max_age=wanted.max_age).stale

    def _next(self, now: float, deadline: float) -> float:
        by_itself = self._board.next_searchable(now) if self._refresher is None else None
        return deadline if by_itself is None else min(deadline, by_itself)

    def _late(self, found: Note, wanted: Wanted) -> Note:
        if wanted.accept_stale:
            return found
        states = ", ".join(f"{position} is {state}" for position, state in found.positions)
        age = "unknown" if found.age is None else f"{found.age:.1f} s"
        raise NotFreshInTime(
            f"the index did not come so far within {wanted.wait_s:g} s ({states or 'no position named'}; age {age}): "
            "wait longer, or take what there is with accept_stale"
        )


class Turnstile:
    """Lets so many wait at a time."""

    def __init__(self, most: int) -> None:
        """Let `most` in."""
        self._most = most
        self.inside = 0
        """How many wait now."""

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Be one of them for a while. Raises Overloaded."""
        if self.inside >= self._most:
            raise Overloaded(f"{self._most} searches wait for the index already: ask again soon, or without waiting")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1
