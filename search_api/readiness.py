"""Readiness: whether a search would be answered now, looked up at most once a second however many probes ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from typing import Any

import msgspec

from search_api.access.principal import LOCAL, Principal
from search_api.access.view import View
from search_api.elastic import Door, reason
from search_api.errors import InferenceUnavailable, Overloaded
from search_api.inference.cache import Cache
from search_api.model import Json
from search_api.settings import IndexSettings
from streamer.clock import Clock
from streamer.errors import ElasticError

MAX_AGE_S = 1.0
PATIENCE_S = 1.0
"""Orchestrators wait a second for an answer, if they are not told otherwise."""
PROBE = "ready"
"""A short text to infer; it bypasses the cache of tokens, which would answer for a dead endpoint."""


NO_HITS: Json = {"size": 0, "track_total_hits": False}


class Report(msgspec.Struct, frozen=True):
    """State of each index and of its encoder: `ok`, `missing`, `refused`, `slow` or `unreachable`."""

    indices: dict[str, str]
    inference: dict[str, str]

    @property
    def ready(self) -> bool:
        """Whether every index is `ok`: without an encoder searches are answered by words."""
        return set(self.indices.values()) == {"ok"}

    def seen_by(self, caller: Principal) -> dict[str, dict[str, str]]:
        """Return the states of the indices that `caller` may search, as JSON values."""
        states = {"indices": self.indices, "inference": self.inference}
        return {what: {name: of[name] for name in of if caller.may_search(name)} for what, of in states.items()}


class Readiness:
    """Asks Elasticsearch for a report when the last one is older than a second; the admin port's subject."""

    def __init__(self, door: Door, indices: Iterable[IndexSettings], clock: Clock) -> None:
        """Check `indices` through `door`."""
        self._door, self._indices = door, tuple(indices)
        self._cache: Cache[None, Report] = Cache(clock, entries=1, ttl_s=MAX_AGE_S)
        self._refreshes: set[asyncio.Task[Report]] = set()

    async def report(self) -> Report:
        """Return a report that is at most a second old."""
        return await self._cache.get(None, self._look)

    def alive(self) -> bool:
        """Return true: the event loop that answers is what lives."""
        return True

    def ready(self) -> bool:
        """Return the last known state, and have it refreshed for the next probe."""
        refresh = asyncio.ensure_future(self.report())
        self._refreshes.add(refresh)
        refresh.add_done_callback(self._refreshes.discard)
        last = self._cache.newest(None)
        return last is not None and last.ready

    def status(self) -> Mapping[str, Any]:
        """Return the last report."""
        last = self._cache.newest(None)
        return {} if last is None else {"ready": last.ready, **msgspec.to_builtins(last)}

    async def close(self) -> None:
        """Give up a check that runs."""
        await self._cache.close()

    async def _look(self) -> Report:
        states = await asyncio.gather(
            *(_state(self._door.search(View(LOCAL, index).ask(NO_HITS))) for index in self._indices),
            *(_state(self._door.infer(index.inference_endpoint, PROBE)) for index in self._indices),
        )
        names = [index.name for index in self._indices]
        return Report(dict(zip(names, states, strict=False)), dict(zip(names, states[len(names) :], strict=True)))


async def _state(question: Awaitable[object]) -> str:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await question
    except TimeoutError:
        return "slow"
    except Overloaded:
        # It works at its limit: to take it out of service would overload the others.
        return "ok"
    except (ElasticError, InferenceUnavailable) as error:
        return reason(error)
    return "ok"
