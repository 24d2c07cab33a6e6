"""The life of a search: check, expand, ask, answer."""

from __future__ import annotations

import structlog

from search_api import limits, query, results
from search_api.elastic import Door
from search_api.errors import UnknownIndex
from search_api.expansion import Expansion
from search_api.metrics import SEARCHES
from search_api.model import Json, SearchRequest, Tokens
from search_api.settings import IndexSettings, Settings
from streamer.clock import Clock
from streamer.metrics import Meter


class Searcher:
    """Answers searches over the declared indices."""

    def __init__(self, settings: Settings, door: Door, expansion: Expansion, clock: Clock, meter: Meter) -> None:
        """Search through `door`, with tokens from `expansion`."""
        self._settings, self._door, self._expansion = settings, door, expansion
        self._clock, self._meter = clock, meter
        self._indices = {index.name: index for index in settings.indices}

    def index(self, name: str | None) -> IndexSettings:
        """Return the index called `name`, or the first; raises UnknownIndex."""
        index = self._settings.indices[0] if name is None else self._indices.get(name)
        if index is None:
            raise UnknownIndex(str(name), self._indices)
        return index

    async def search(self, request: SearchRequest) -> Json:
        """Return the answer to `request`; raises SearchError or ElasticError."""
        index, result = self.index(request.index), "error"
        structlog.contextvars.bind_contextvars(index=index.name, mode=request.mode)
        try:
            found = await self._search(request, index)
            result = "partial" if found["partial"] else "ok"
        finally:
            self._meter.add(SEARCHES, index.name, request.mode, result)
        return found

    async def _search(self, request: SearchRequest, index: IndexSettings) -> Json:
        started = self._clock.monotonic()
        limits.check(request, self._settings.limits)
        # Before the inference: what is refused must not cost one.
        query.check(request, index)
        tokens = await self._tokens(request, index)
        body = query.body(request, index, tokens, self._settings.search.timeout_ms)
        found = await self._door.search(index.alias, body)
        return results.answer(request, index, found, (self._clock.monotonic() - started) * 1000)

    async def _tokens(self, request: SearchRequest, index: IndexSettings) -> Tokens | None:
        if not query.needs_tokens(request):
            return None
        return await self._expansion.tokens(index.inference_endpoint, request.query)
