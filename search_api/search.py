"""The life of a search: check, expand, ask, answer."""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from search_api import limits, query, results
from search_api.access.principal import Principal
from search_api.access.view import View, Views
from search_api.elastic import Door
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
        query.check(request, index)
        tokens = await self._tokens(request, index)
        body = query.body(request, index, tokens, self._settings.search.timeout_ms)
        found = await self._door.search(view.ask(body))
        return results.answer(request, index, found, (self._clock.monotonic() - started) * 1000)

    async def _tokens(self, request: SearchRequest, index: IndexSettings) -> Tokens | None:
        if not query.needs_tokens(request):
            return None
        return await self._expansion.tokens(index.inference_endpoint, request.query)
