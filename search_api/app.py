"""The service on one screen: routes, lifespan, middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response
from opentelemetry import trace
from starlette.staticfiles import StaticFiles

from search_api import describe, edge, ways
from search_api.access.admission import Admission
from search_api.access.body import BodyLimit
from search_api.access.gate import Gate, caller_of
from search_api.access.hosts import Hosts
from search_api.access.principal import Principal
from search_api.edge import Edge, json
from search_api.elastic import Door
from search_api.errors import TABLE, InvalidRequest, MalformedBody
from search_api.freshness.model import FreshnessWish
from search_api.freshness.service import Freshness, NoFreshness
from search_api.freshness.url import wish_of
from search_api.inference.expansion import Expansion
from search_api.metrics import SEARCH_METRICS
from search_api.model import Json, Mode, SearchResponse
from search_api.pointers import faults_of
from search_api.query import url
from search_api.query.request import SearchRequest
from search_api.readiness import Readiness
from search_api.search import Searcher
from search_api.settings import Settings
from search_api.tracing import telemetry
from search_api.validation import search_of
from search_api.ways import Ways
from streamer import __version__
from streamer.clock import Clock
from streamer.metrics import Meter

WEB = Path(__file__).parent / "web"
OWN_PARAMETERS = frozenset({"q", "mode", "size", "index", *FreshnessWish.model_fields})

Caller = Annotated[Principal, Depends(caller_of)]

router = APIRouter()


class Parts:
    """What the routes work with."""

    def __init__(
        self, settings: Settings, door: Door, clock: Clock, meter: Meter, freshness: Freshness | None = None
    ) -> None:
        """Build everything on `door`, with what `freshness` knows; nothing starts yet."""
        self.settings, self.door, self.clock, self.meter = settings, door, clock, meter
        self.freshness = freshness or NoFreshness()
        self.expansion = Expansion(door, clock, settings.expansion)
        self.searcher = Searcher(settings, door, self.expansion, clock, meter, freshness=self.freshness)
        self.readiness = Readiness(door, settings.indices, clock)
        self.admission = Admission(settings, clock)
        self.ways = Ways(settings, door, self.searcher, clock, meter=meter, rates=self.admission.rates)
        meter.read_from(self.expansion)

    async def close(self) -> None:
        """Stop what runs and close the door."""
        await self.readiness.close()
        await self.ways.walker.stop()
        await self.freshness.close()
        await self.expansion.close()
        await self.door.close()


def create_app(parts: Parts, hosts: Hosts | None = None) -> FastAPI:
    """Return the application over `parts`, which answers to `hosts`; None: whatever it is called."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.freshness.start()
        yield
        await parts.close()

    # The usual documentation pages load scripts from elsewhere, so there are none: /openapi.json is for any viewer.
    traced = telemetry(trace.get_tracer_provider())
    app = FastAPI(title="search_api", version=__version__, lifespan=lifespan, openapi_url=None, telemetry=traced)
    app.state.parts = parts
    app.state.ways = parts.ways
    app.include_router(router)
    app.include_router(ways.router)
    app.mount("/web", StaticFiles(directory=WEB), name="web")
    app.add_exception_handler(RequestValidationError, _invalid)
    for error in {row.error for row in TABLE} - {Exception}:
        app.add_exception_handler(error, _problem)
    settings = parts.settings
    app.add_middleware(BodyLimit, limits=settings.limits, timeout_s=settings.http.body_timeout_s, refuse=edge.refuse)
    # Outside of the body: who may not ask has nothing read.
    app.add_middleware(Gate, admission=parts.admission, hosts=hosts, meter=parts.meter, refuse=edge.refuse)
    app.add_middleware(Edge, clock=parts.clock, meter=parts.meter)
    return app


def create_meter() -> Meter:
    """Return a meter for the rows of this service."""
    return Meter(SEARCH_METRICS)


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


@router.get("/search", responses=describe.RESPONSES, response_model=SearchResponse, summary="Search by URL")
async def search_by_url(
    request: Request,
    caller: Caller,
    *,
    q: Annotated[str, Query(description="What to look for, in plain words.", examples=["a heist that goes wrong"])],
    mode: Annotated[Mode, Query(description="By meaning, by words, or by both.")] = "hybrid",
    size: Annotated[int, Query(ge=1, description="Most hits to return.")] = 10,
    index: Annotated[str | None, Query(description="Name of an index; default: the first.")] = None,
    fresh: Annotated[Json, Depends(wish_of)],
) -> Response:
    """Search. Any other parameter is a filter: `genres=Drama&genres=Crime&year.gte=1990`."""
    searcher = _parts(request).searcher
    others = [(name, value) for name, value in request.query_params.multi_items() if name not in OWN_PARAMETERS]
    conditions = url.filters(others, searcher.view(caller, index).index.filters)
    wanted = {"query": q, "mode": mode, "size": size, "index": index, "filters": conditions, **fresh}
    return json(await searcher.search(search_of(wanted), caller))


@router.post("/search", responses=describe.RESPONSES, response_model=SearchResponse, summary="Search")
async def search(request: Request, wanted: SearchRequest, caller: Caller) -> Response:
    """Search with a JSON body."""
    return json(await _parts(request).searcher.search(wanted, caller))


@router.get("/indices", summary="What can be searched")
async def indices(request: Request, caller: Caller) -> Response:
    """Return the indices that the caller may search, with their modes, filters and fields to show."""
    return json({"indices": [describe.index(one) for one in _parts(request).searcher.indices(caller)]})


@router.get("/healthz", summary="Is the process up")
async def healthz() -> Response:
    """Return ok as long as the process answers."""
    return json({"status": "ok"})


@router.get("/readyz", summary="Would a search be answered", responses={503: {"description": "Not now."}})
async def readyz(request: Request, caller: Caller) -> Response:
    """Return whether Elasticsearch, each index and each encoder answer; looked up at most once a second.

    Names only the indices that the caller may search: without credentials, where there are some, none.
    """
    report = await _parts(request).readiness.report()
    return json({"ready": report.ready, **report.seen_by(caller)}, 200 if report.ready else 503)


@router.get("/problems/{name}", responses=describe.PROBLEM_RESPONSES, summary="What a problem means")
async def problem(name: str) -> Response:
    """Return the kind of problem that an error's `type` names."""
    return json(describe.problem(name))


@router.get("/openapi.json", include_in_schema=False)
async def openapi(request: Request, caller: Caller) -> Response:
    """Return the OpenAPI document, with the filters of the indices that the caller may search."""
    return json(describe.openapi(request.app, _parts(request).searcher.indices(caller)))


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """Return the search page."""
    return FileResponse(WEB / "index.html")


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for nothing else
    found = error.errors()
    if any(one["type"] == "json_invalid" for one in found):
        return edge.refusal(request.scope, MalformedBody())
    return edge.refusal(request.scope, InvalidRequest(*faults_of(found)))


async def _problem(request: Request, error: Exception) -> Response:
    return edge.refusal(request.scope, error)
