"""Which model stands behind an endpoint: tokens are kept by model, so that no model answers for another."""

from __future__ import annotations

from search_api.elastic import Door
from search_api.errors import InferenceUnavailable
from search_api.inference.cache import Cache
from streamer.clock import Clock
from streamer.errors import ElasticError

MOST_ENDPOINTS = 1_000


class Models:
    """Looks the model of an endpoint up again now and then."""

    def __init__(self, door: Door, clock: Clock, every_s: float) -> None:
        """Ask `door`, at most every `every_s` seconds for each endpoint."""
        self._door = door
        self._cache: Cache[str, str] = Cache(clock, entries=MOST_ENDPOINTS, ttl_s=every_s)

    def known(self, endpoint: str) -> str | None:
        """Return the model of `endpoint`, if it was looked up lately."""
        return self._cache.kept(endpoint)

    async def of(self, endpoint: str) -> str:
        """Return the model of `endpoint`: the last one known, or the endpoint's own name, when it cannot be had."""
        return await self._cache.get(endpoint, lambda: self._look(endpoint))

    async def close(self) -> None:
        """Give up look-ups that run."""
        await self._cache.close()

    async def _look(self, endpoint: str) -> str:
        try:
            return await self._door.model(endpoint)
        except (ElasticError, InferenceUnavailable):
            return self._cache.newest(endpoint) or endpoint
