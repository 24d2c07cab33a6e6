"""The life of a search: check, expand, ask, answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import msgspec
import structlog

from search_api import limits, results
from search_api.access.principal import Principal
from search_api.access.view import Question, View, Views
from search_api.elastic import Door
from search_api.errors import InferenceUnavailable, Overloaded
from search_api.explaining import Explainer
from search_api.freshness.service import Freshness, NoFreshness
from search_api.inference.expansion import Expansion
from search_api.metrics import SEARCHES
from search_api.model import Json, Tokens
from search_api.prepared import Prepared
from search_api.query import builder
from search_api.query.check import check
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings, Settings, SlowLogSettings
from streamer import logs
from streamer.clock import Clock, Deadline
from streamer.metrics import Meter

SHARE_OF_EXPANSION = 0.5
"""Of a search's time budget, whatever the expansion's own is: Elasticsearch needs time too."""
LEAST_MS = 10

log = logs.get("search_api")


class Times(msgspec.Struct, frozen=True):
    """When a search began, had its tokens, and was answered; seconds."""

    began: float
    expanded: float
    ended: float


class Searcher:
    """Answers searches over the declared indices."""

    def __init__(
        self,
        settings: Settings,
        door: Door,
        expansion: Expansion,
        clock: Clock,
        meter: Meter,
        *,
        freshness: Freshness | None = None,
    ) -> None:
        """Search through `door`, with tokens from `expansion`, and say what `freshness` knows."""
        self._settings, self._door, self._expansion = settings, door, expansion
        self._freshness = freshness or NoFreshness()
        self._clock, self._meter = clock, meter
        self._views = Views(settings.indices)
        self._explainer = Explainer(door)

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
            result = result_of(found)
        except Overloaded:
            result = "shed"
            raise
        finally:
            self._meter.add(SEARCHES, index.name, request.mode, result)
        return found

    async def _search(self, request: SearchRequest, view: View) -> Json:
        if request.asks:
            # What is refused must not wait.
            self.check(request, view)
        # Before the search, never after: it may show more than this says, and not less.
        note = await self._freshness.before(view.index.name, request)
        began = self._clock.monotonic()
        deadline = Deadline(self._clock, self._budget_s(request))
        prepared = await self.prepare(request, view)
        expanded = self._clock.monotonic()
        found = await self._find(prepared, deadline)
        times = Times(began, expanded, self._clock.monotonic())
        answer = prepared.answer(found, (times.ended - began) * 1000)
        if note is not None:
            answer["freshness"] = note.told(expanded)
        log_if_slow(self._settings.slow_log, request, answer, times)
        if request.explain:
            await self._explainer.add(prepared, answer)
        return answer

    async def render(self, request: SearchRequest, caller: Principal) -> Json:
        """Return what a search would ask of Elasticsearch, without asking it; raises SearchError.

        The filters of `caller` stand in it as they are applied; the index has the name that clients know it by.
        """
        view = self.view(caller, request.index)
        prepared = await self.prepare(request, view)
        questions = self._questions(prepared, round(self._budget_s(request) * 1000))
        path = f"/{view.index.name}/_search"
        return {"requests": [{"method": "POST", "path": path, "body": one.body} for one in questions]}

    async def prepare(self, request: SearchRequest, view: View) -> Prepared:
        """Return the search, checked, with its tokens; raises InvalidRequest."""
        # Before the inference: what is refused must not cost one.
        self.check(request, view)
        tokens = await self._tokens(request, view.index, self._budget_s(request) * SHARE_OF_EXPANSION)
        return Prepared(request, view, tokens)

    def check(self, request: SearchRequest, view: View) -> None:
        """Raise InvalidRequest naming everything of `request` that is beyond the limits or does not fit the index."""
        limits.check(request, self._settings.limits)
        check(request, view.index)

    async def _find(self, prepared: Prepared, deadline: Deadline) -> Json:
        left_ms = max(LEAST_MS, round(deadline.remaining() * 1000))
        asked = self._questions(prepared, left_ms)
        return results.together(await asyncio.gather(*(self._door.search(one, left_ms / 1000) for one in asked)))

    def _questions(self, prepared: Prepared, timeout_ms: int) -> list[Question]:
        counts = builder.counts(prepared.asked, prepared.view.index, prepared.tokens)
        bodies = (prepared.body, counts)
        return [prepared.view.ask(body | {"timeout": f"{timeout_ms}ms"}) for body in bodies if body]

    def _budget_s(self, request: SearchRequest) -> float:
        most = self._settings.search.timeout_ms
        return min(request.timeout_ms or most, most) / 1000

    async def _tokens(self, request: SearchRequest, index: IndexSettings, most_s: float) -> Tokens | None:
        """Return the tokens of the query; None when it needs none, or they cannot be had in time."""
        if not builder.needs_tokens(request):
            return None
        within_s = min(self._settings.expansion.budget_ms / 1000, most_s)
        try:
            return await self._expansion.tokens(index.inference_endpoint, request.query, within_s)
        except InferenceUnavailable as error:
            log.debug("degraded", reason=str(error))
            return None


def result_of(answer: Json) -> str:
    """Return how a search ended, as metrics and logs say it."""
    if "degraded" in answer:
        return "degraded"
    return "partial" if answer["partial"] else "ok"


def log_if_slow(settings: SlowLogSettings, request: SearchRequest, answer: Json, times: Times) -> None:
    """Write a line for a search that took as long as the threshold; index, mode and request id come by themselves."""
    if (times.ended - times.began) * 1000 < settings.threshold_ms:
        return
    log.warning(
        "slow search",
        result=result_of(answer),
        took_ms=answer["took_ms"],
        expansion_ms=round((times.expanded - times.began) * 1000, 1),
        search_ms=round((times.ended - times.expanded) * 1000, 1),
        **({"query": request.query} if settings.query_text else {}),
    )
