"""Freshness of all indices: what the search service asks before each search."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from search_api.errors import Fault, InvalidRequest
from search_api.freshness.board import Board
from search_api.freshness.index import Facts, Index
from search_api.freshness.model import FreshnessWish
from search_api.freshness.note import Note, note
from search_api.freshness.position import parse
from search_api.freshness.refresher import Refresher
from search_api.freshness.settings import FreshnessSettings
from search_api.freshness.waiting import Bell, Turnstile, Waiting, Wanted
from search_api.freshness.watch import Door, Watch
from search_api.inference.cache import Cache
from search_api.metrics import FRESHNESS_SECONDS, INDEX_AGE, WAITING
from streamer import logs
from streamer.clock import Clock
from streamer.errors import ElasticError
from streamer.metrics import Meter, Sample

FACTS_S = 1.0
"""How long facts about an index are believed."""
FACTS_WITHIN_S = 0.5
"""How long they are waited for: a search is not to be late because of them."""

log = logs.get("freshness")


class Freshness(Protocol):
    """What a search asks before it is sent."""

    async def before(self, name: str, wish: FreshnessWish) -> Note | None:
        """Return what is known of the index called `name`, once it is what `wish` asks for; None: nothing is known."""

    def start(self) -> None:
        """Begin to learn; needs a running loop."""

    async def close(self) -> None:
        """Stop what runs."""


class NoFreshness:
    """Where there is no Kafka: nothing is known, and nobody can wait."""

    async def before(self, name: str, wish: FreshnessWish) -> None:
        """Refuse what cannot be told: raises InvalidRequest."""
        if wish.asks:
            raise InvalidRequest(_unknown(name))

    def start(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""


class FreshnessService:
    """Knows how far each index has come; one that no topics are declared for is not known here."""

    def __init__(
        self,
        settings: FreshnessSettings,
        sources: Mapping[str, tuple[str, Sequence[str]]],
        door: Door,
        index: Index,
        clock: Clock,
        *,
        meter: Meter,
    ) -> None:
        """Watch `sources`, by the name that clients use: the alias, and the topics that fill it."""
        self._settings, self._index, self._clock, self._meter = settings, index, clock, meter
        meter.read_from(self)
        self._bell = Bell()
        self._boards = {
            name: Board(alias, topics, settings.margin_s) for name, (alias, topics) in sources.items() if topics
        }
        self._watch = Watch(door, list(self._boards.values()), clock, self._bell.ring)
        self._refreshers = {name: self._refresher(board) for name, board in self._boards.items()}
        self._waiting = {name: self._queue(name, board) for name, board in self._boards.items()}
        self._facts: Cache[str, Facts] = Cache(clock, entries=len(sources) or 1, ttl_s=FACTS_S)
        self._turnstile = Turnstile(settings.waiting)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow and to look; needs a running loop."""
        if self._boards:
            looking = self._watch.look(self._settings.sample_every_s)
            self._tasks = [asyncio.create_task(self._watch.follow()), asyncio.create_task(looking)]
        for task in self._tasks:
            task.add_done_callback(_tell)

    async def close(self) -> None:
        """Stop what runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(one.close() for one in self._refreshers.values() if one), self._facts.close())

    async def before(self, name: str, wish: FreshnessWish) -> Note | None:
        """Return what is known of the index called `name`, once it is what `wish` asks for; call it before a search.

        None: nothing is known of this index here. Raises InvalidRequest naming everything that may not be asked, what
        `Waiting.until` raises, and Overloaded if too many wait.
        """
        if faults := list(self._faults(name, wish)):
            raise InvalidRequest(*faults)
        board = self._boards.get(name)
        if board is None or not (await self._learn(board) or wish.asks):
            return None
        if not wish.asks:
            now = self._clock.monotonic()
            return note(board, now, board.searchable(now))
        with self._turnstile.passed():
            return await self._wait(name, board, wish)

    def samples(self) -> Iterator[Sample]:
        """Return how old each index is, and how many searches wait."""
        now = self._clock.monotonic()
        for name, board in self._boards.items():
            age = note(board, now, board.searchable(now)).age
            if age is not None:
                yield Sample(INDEX_AGE, (name,), age)
        yield Sample(WAITING, (), self._turnstile.inside)

    async def _wait(self, name: str, board: Board, wish: FreshnessWish) -> Note:
        began, result = self._clock.monotonic(), "refused"
        try:
            found = await self._waiting[name].until(self._wanted(wish), lambda: self._learn(board))
            result = "stale" if found.stale else "fresh"
            return found
        finally:
            self._meter.observe(FRESHNESS_SECONDS, self._clock.monotonic() - began, name, result)

    async def _learn(self, board: Board) -> bool:
        """Ask what the index behind `board` is now; return whether it is known."""
        try:
            async with asyncio.timeout(FACTS_WITHIN_S):
                facts = await self._facts.get(board.alias, lambda: self._index.facts(board.alias))
        except (ElasticError, TimeoutError) as error:
            log.warning("nothing can be said about freshness", index=board.alias, error=str(error) or "no answer")
            board.index_is_unknown()
            return False
        board.index_is(facts.created_ms, facts.interval_s + self._settings.margin_s, self._clock.monotonic())
        return True

    def _wanted(self, wish: FreshnessWish) -> Wanted:
        wait_ms = self._settings.wait_ms if wish.wait_ms is None else wish.wait_ms
        positions = tuple(dict.fromkeys(map(parse, wish.min_position)))
        return Wanted(positions, wish.max_age, wait_ms / 1_000, wish.accept_stale)

    def _faults(self, name: str, wish: FreshnessWish) -> Iterator[Fault]:
        board = self._boards.get(name)
        if board is None:
            if wish.asks:
                yield _unknown(name)
            return
        if len(wish.min_position) > self._settings.positions:
            yield Fault(f"there may be at most {self._settings.positions} positions", pointer="/min_position")
        if (wish.wait_ms or 0) > self._settings.longest_wait_ms:
            yield Fault(f"wait_ms must be at most {self._settings.longest_wait_ms}", pointer="/wait_ms")
        for number, position in enumerate(wish.min_position):
            if parse(position).partition.topic not in board.topics:
                topics = tuple(sorted(board.topics))
                yield Fault(f"{name} is not filled from there", pointer=f"/min_position/{number}", allowed=topics)

    def _refresher(self, board: Board) -> Refresher | None:
        if self._settings.searchable_by == "interval":
            return None
        return Refresher(board, self._index, self._clock, self._settings.refresh_every_s, self._bell.ring)

    def _queue(self, name: str, board: Board) -> Waiting:
        return Waiting(board, self._refreshers[name], self._watch, self._bell, self._clock)


def _tell(task: asyncio.Task[None]) -> None:
    """Log what ended a task that should never end: from then on nothing is learned, and ages grow."""
    if not task.cancelled() and (error := task.exception()):
        log.error("freshness is not followed any more", exc_info=error)


def _unknown(name: str) -> Fault:
    return Fault(f"how far {name} has come is not known here: ask without min_position and max_age")
