"""The ways of asking beside a plain search, and their routes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from search_api import describe, multi
from search_api.access.gate import caller_of
from search_api.access.principal import LOCAL, Principal
from search_api.access.rates import Rates
from search_api.asking import Asker
from search_api.cursor.steps import CloseRequest, NextRequest, WalkRequest, WalkResponse
from search_api.cursor.walk import Walker
from search_api.edge import json
from search_api.elastic import Door
from search_api.model import Json, SearchResponse
from search_api.multi import MultiRequest, MultiResponse
from search_api.presets.library import PresetRequest, Presets, read, shown
from search_api.query.request import SearchRequest
from search_api.search import Searcher
from search_api.settings import Settings
from search_api.similar import SimilarRequest, SimilarResponse
from search_api.suggest import SuggestRequest, SuggestResponse
from search_api.validation import checked, search_of
from streamer.clock import Clock
from streamer.metrics import Meter

Caller = Annotated[Principal, Depends(caller_of)]

router = APIRouter(responses=describe.RESPONSES)


class Ways:
    """What these routes work with."""

    def __init__(
        self, settings: Settings, door: Door, searcher: Searcher, clock: Clock, *, meter: Meter, rates: Rates
    ) -> None:
        """Build everything; raises SettingsError for presets that are wrong."""
        self.searcher, self.limits, self.rates = searcher, settings.limits, rates
        self.walker = Walker(settings.cursor, door, searcher, clock, meter)
        self.asker = Asker(settings, door, searcher, clock)
        self.presets = Presets(read(settings.presets) if settings.presets else {}, self._check)
        meter.read_from(self.walker)

    def _check(self, request: SearchRequest) -> None:
        self.searcher.check(request, self.searcher.view(LOCAL, request.index))


def _ways(request: Request) -> Ways:
    ways: Ways = request.app.state.ways
    return ways


Asked = Annotated[Ways, Depends(_ways)]


@router.post("/search/cursor", response_model=WalkResponse, summary="Walk through all hits: the first page")
async def begin(ways: Asked, wanted: WalkRequest, caller: Caller) -> Response:
    """Return the first page of all hits, and a cursor for the next one.

    The hits are those of this moment, whatever is written meanwhile, each once and in order.
    """
    return json(await ways.walker.begin(wanted, caller))


@router.post("/search/cursor/next", response_model=WalkResponse, summary="Walk through all hits: the next page")
async def go_on(ways: Asked, wanted: NextRequest, caller: Caller) -> Response:
    """Return the page behind a cursor; until the last page, the same cursor gives the same page again."""
    return json(await ways.walker.go_on(wanted, caller))


@router.post("/search/cursor/close", status_code=204, summary="Walk through all hits: end it early")
async def close(ways: Asked, wanted: CloseRequest, caller: Caller) -> Response:
    """End a walk that is not walked to its end, so that Elasticsearch need not keep its hits."""
    await ways.walker.close(wanted.cursor, caller)
    return Response(status_code=204)


@router.post("/search/multi", response_model=MultiResponse, summary="Several searches at once")
async def several(request: Request, ways: Asked, wanted: MultiRequest, caller: Caller) -> Response:
    """Answer each search, or tell its own problem."""
    multi.check(wanted, ways.limits.searches)
    if len(wanted.searches) > 1:
        # The request itself was counted as one.
        ways.rates.charge(caller, len(wanted.searches) - 1)

    async def search(one: Json) -> Json:
        return await ways.searcher.search(search_of(one), caller)

    return json({"results": await multi.answers(wanted, search, request.scope["request_id"])})


@router.post("/similar", response_model=SimilarResponse, summary="Documents like one")
async def similar(ways: Asked, wanted: SimilarRequest, caller: Caller) -> Response:
    """Return documents about the same as one of them, by its stored tokens: nothing is inferred."""
    return json(await ways.asker.similar(wanted, caller))


@router.post("/suggest", response_model=SuggestResponse, summary="Suggestions as somebody types")
async def suggest(ways: Asked, wanted: SuggestRequest, caller: Caller) -> Response:
    """Return texts with what was typed so far, its last word being a beginning."""
    return json(await ways.asker.suggest(wanted, caller))


@router.get("/suggest", response_model=SuggestResponse, summary="Suggestions by URL")
async def suggest_by_url(
    ways: Asked,
    caller: Caller,
    *,
    q: Annotated[str, Query(description="What was typed so far.", examples=["reservoir d"])],
    size: Annotated[int, Query(ge=1, le=20, description="Most suggestions.")] = 5,
    index: Annotated[str | None, Query(description="Name of an index; default: the first.")] = None,
) -> Response:
    """Return texts with what was typed so far, its last word being a beginning."""
    wanted = checked(SuggestRequest, {"query": q, "size": size, "index": index})
    return json(await ways.asker.suggest(wanted, caller))


@router.get("/presets", summary="What presets there are")
async def presets(ways: Asked, caller: Caller) -> Response:
    """Return the presets with their parameters."""
    return json({"presets": [shown(name, one) for name, one in ways.presets.of(caller).items()]})


@router.post("/presets/{name}", response_model=SearchResponse, summary="Search by a preset")
async def preset(ways: Asked, name: str, wanted: PresetRequest, caller: Caller) -> Response:
    """Search as the preset says, with values for its parameters."""
    return json(await ways.searcher.search(ways.presets.request(name, wanted.parameters, caller), caller))


@router.post("/admin/render", summary="What a search would ask of Elasticsearch")
async def render(ways: Asked, wanted: SearchRequest, caller: Caller) -> Response:
    """Return the requests to Elasticsearch without making them; for scope `admin` alone.

    The filters of the caller stand in them as they are applied.
    """
    return json(await ways.searcher.render(wanted, caller))
