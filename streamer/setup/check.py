"""What `run` asks before it takes the first record: is everything there, and exactly as the settings say."""

from __future__ import annotations

import msgspec

from streamer.elastic import Elastic
from streamer.errors import ElasticRefused, SettingsError, SetupDifference, SetupError
from streamer.intake.route import Reuse
from streamer.settings import RouteSettings, Settings
from streamer.setup.deploy import find_deployment
from streamer.setup.difference import line
from streamer.setup.index import find_index, find_pipeline
from streamer.setup.mapping import index_differences
from streamer.setup.pipeline import pipeline_differences, revision
from streamer.setup.reuse import SWITCHED_OFF, hides_vectors, reuse_of
from streamer.setup.state import judge_state_index

HTTP_FORBIDDEN = 403
RUN_SETUP = "run `streamer setup`, which explains it"


class Target(msgspec.Struct, frozen=True):
    """Where a route writes: `index` is the concrete index behind `alias`, `model` the trained model's id."""

    route: str
    alias: str
    index: str
    pipeline: str
    pipeline_revision: str
    model: str
    reuse: Reuse


async def check(elastic: Elastic, settings: Settings) -> dict[str, Target]:
    """Return the target of each route, by the route's name.

    Raises SettingsError without a route, SetupError when something is missing, SetupDifference when it is not as the
    settings say, StateError when the state index is newer than the program, ElasticError.
    """
    require_routes(settings)
    found = await elastic.find(f"/{settings.state_index}", flat_settings="true")
    if found is None:
        raise _missing("state index", settings.state_index)
    judge_state_index(settings.state_index, found)
    hidden = await hides_vectors(elastic) if settings.flow.reuse_tokens else False
    return {route.name: await _target(elastic, settings, route, hidden=hidden) for route in settings.routes}


async def _target(elastic: Elastic, settings: Settings, route: RouteSettings, *, hidden: bool | None) -> Target:
    pipeline = await find_pipeline(elastic, route.pipeline_name)
    if pipeline is None:
        raise _missing("pipeline", route.pipeline_name)
    if lines := pipeline_differences(route, pipeline):
        raise SetupDifference("pipeline", route.pipeline_name, lines, RUN_SETUP)
    index = await find_index(elastic, route)
    if index is None:
        raise _missing("alias", route.index)
    if lines := index_differences(route, index.content):
        raise SetupDifference("index", index.name, lines, RUN_SETUP)
    return Target(
        route=route.name,
        alias=route.index,
        index=index.name,
        pipeline=route.pipeline_name,
        pipeline_revision=revision(route),
        model=await _model(elastic, settings, route),
        reuse=reuse_of(route, index.content, hidden=hidden) if settings.flow.reuse_tokens else Reuse(SWITCHED_OFF),
    )


async def _model(elastic: Elastic, settings: Settings, route: RouteSettings) -> str:
    """Return the model behind the route's deployment, which need not be started: `run` waits for it."""
    wanted = settings.deployment(route)
    try:
        found = await find_deployment(elastic, wanted.id)
    except ElasticRefused as error:
        if error.status != HTTP_FORBIDDEN:
            raise
        return wanted.model_id  # Without monitor_ml the settings are what is known.
    if found is None:
        return wanted.model_id
    if wanted.type == "deployment" and found.model_id != wanted.model_id:
        raise SetupDifference("deployment", wanted.id, [line("model_id", wanted.model_id, found.model_id)], RUN_SETUP)
    return found.model_id


def require_routes(settings: Settings) -> None:
    """Raise SettingsError when there is nothing to do."""
    if not settings.routes:
        raise SettingsError("no [[routes]] in the settings: say which topics go into which index")


def _missing(what: str, name: str) -> SetupError:
    return SetupError(f"the {what} {name!r} is missing, run `streamer setup`")
