"""Asking for similar documents and for suggestions: what their pure parts need of Elasticsearch."""

from __future__ import annotations

from search_api import explain, similar, suggest
from search_api.access.principal import Principal
from search_api.access.view import View
from search_api.elastic import Door
from search_api.errors import DocumentWithoutTokens, InvalidRequest, UnknownDocument
from search_api.model import Json, Tokens
from search_api.prepared import Prepared
from search_api.search import Searcher
from search_api.settings import Settings
from search_api.similar import SimilarRequest
from search_api.suggest import SuggestRequest
from streamer.clock import Clock


class Asker:
    """Answers what is a search of its own kind."""

    def __init__(self, settings: Settings, door: Door, searcher: Searcher, clock: Clock) -> None:
        """Ask through `door`, with the checks of `searcher`."""
        self._timeout = {"timeout": f"{settings.search.timeout_ms}ms"}
        self._door, self._searcher, self._clock = door, searcher, clock

    async def similar(self, wanted: SimilarRequest, caller: Principal) -> Json:
        """Return documents about the same as one that `caller` may see. Raises SearchError or ElasticError."""
        began, view, request = (
            self._clock.monotonic(),
            self._searcher.view(caller, wanted.index),
            similar.search(wanted),
        )
        self._searcher.check(request, view)
        prepared = Prepared(request, view, similar.strongest(await self._tokens(wanted.id, view), wanted.tokens))
        found = await self._door.search(view.ask(similar.without(prepared.body, wanted.id) | self._timeout))
        answer = prepared.answer(found, (self._clock.monotonic() - began) * 1000)
        return {"id": wanted.id, **{name: answer[name] for name in ("index", "took_ms", "partial", "hits")}}

    async def _tokens(self, document_id: str, view: View) -> Tokens:
        document = similar.document(await self._door.search(view.ask(similar.lookup(document_id, view.index))))
        if document is None:
            raise UnknownDocument
        tokens = explain.stored_tokens(document, view.index)
        if tokens is None:
            raise DocumentWithoutTokens
        return tokens

    async def suggest(self, wanted: SuggestRequest, caller: Principal) -> Json:
        """Return suggestions out of what `caller` may see. Raises SearchError or ElasticError."""
        began, view = self._clock.monotonic(), self._searcher.view(caller, wanted.index)
        self._searcher.check(suggest.search(wanted), view)
        if found := list(suggest.faults(wanted, view.index)):
            raise InvalidRequest(*found)
        answer = await self._door.search(view.ask(suggest.body(wanted, view.index) | self._timeout))
        took_ms = round((self._clock.monotonic() - began) * 1000, 1)
        return {
            "index": view.index.name,
            "took_ms": took_ms,
            "suggestions": suggest.answer(wanted, view.index, answer),
        }
