"""The life of a search: check, expand, ask, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import structlog

from search_api import limits, results
from search_api.access.principal import Principal
from search_api.access.view import View, Views
from search_api.elastic import Door
from search_api.expansion import Expansion
from search_api.metrics import SEARCHES
from search_api.model import Json, Tokens
from search_api.query import builder
from search_api.query.check import check
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings, Settings
from streamer.clock import Clock
from streamer.metrics import Meter


class Searcher:
    """Answers searches over the declared indices."""

    def __init__(self, settings: Settings, door: Door, expansion: Expansion, clock: Clock, meter: Meter) -> None:
        """Search through `door`, with tokens from `expansion`."""
        self._settings, self._door, self._expansion = settings, door, expansion
        self._clock, self._meter = clock, meter
        self._views = Views(settings.indices)

    def indices(self, caller: Principal) -> Iterator[IndexSettings]:
        """Yield the indices that `caller` may search."""
        return self._views.indices(caller)

    def view(self, caller: Principal, name: str | None) -> View:
        """Return the index called `name`, or the caller's first, as `caller` sees it; raises UnknownIndex."""
        return self._views.of(caller, name)

    async def search(self, request: SearchRequest, caller: Principal) -> Json:
        """Return the answer to `request`, of what `caller` may see; raises SearchError or ElasticError."""
        view, result = self.view(caller, request.index), "error"
        index = view.index
        structlog.contextvars.bind_contextvars(index=index.name, mode=request.mode)
        try:
            found = await self._search(request, view)
            result = "partial" if found["partial"] else "ok"
        finally:
            self._meter.add(SEARCHES, index.name, request.mode, result)
        return found

    async def _search(self, request: SearchRequest, view: View) -> Json:
        started, index = self._clock.monotonic(), view.index
        limits.check(request, self._settings.limits)
        # Before the inference: what is refused must not cost one.
        check(request, index)
        tokens = await self._tokens(request, index)
        found = await self._find(request, view, tokens)
        return results.answer(request, index, found, (self._clock.monotonic() - started) * 1000)

    async def _find(self, request: SearchRequest, view: View, tokens: Tokens | None) -> Json:
        bodies = (builder.body(request, view.index, tokens), builder.counts(request, view.index, tokens))
        asked = [view.ask(body | {"timeout": f"{self._settings.search.timeout_ms}ms"}) for body in bodies if body]
        return results.together(await asyncio.gather(*map(self._door.search, asked)))

    async def _tokens(self, request: SearchRequest, index: IndexSettings) -> Tokens | None:
        if not builder.needs_tokens(request):
            return None
        return await self._expansion.tokens(index.inference_endpoint, request.query)
