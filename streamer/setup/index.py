"""Indices, aliases and pipelines: create what is missing, refuse what differs."""

from __future__ import annotations

from typing import Any

import msgspec

from streamer.elastic import Elastic
from streamer.errors import SetupDifference, SetupError
from streamer.settings import RouteSettings
from streamer.setup.difference import NOTHING, line
from streamer.setup.mapping import first_index, index_body, index_differences
from streamer.setup.pipeline import pipeline_body, pipeline_differences
from streamer.setup.step import Say, Step

Json = dict[str, Any]

CHANGE_INDEX = (
    "change the settings back; or give the route another index and load it again: "
    "a field's mapping cannot change in place"
)
CHANGE_PIPELINE = (
    "change the settings back; or delete the pipeline (`DELETE _ingest/pipeline/{0}`) and run `streamer setup` again"
)
CHANGE_ALIAS = "point the alias at exactly one index that may be written (`POST _aliases`)"


class Found(msgspec.Struct, frozen=True):
    """The index behind an alias; `content` holds aliases, mappings and (flat) settings."""

    name: str
    content: Json


async def ensure_pipeline(elastic: Elastic, route: RouteSettings, say: Say) -> None:
    """Make the pipeline of `route`. Raises SetupDifference, ElasticError."""
    name = route.pipeline_name
    found = await find_pipeline(elastic, name)
    if found is None:
        await elastic.put(f"/_ingest/pipeline/{name}", pipeline_body(route))
    elif lines := pipeline_differences(route, found):
        raise SetupDifference("pipeline", name, lines, CHANGE_PIPELINE.format(name))
    say(Step("pipeline", name, "created" if found is None else "exists"))


async def ensure_index(elastic: Elastic, route: RouteSettings, say: Say) -> None:
    """Make the first index of `route` with its alias. Raises SetupError, SetupDifference, ElasticError."""
    found = await find_index(elastic, route)
    if found is None:
        await _refuse_without_alias(elastic, route)
        await elastic.put(f"/{first_index(route)}", index_body(route))
    elif lines := index_differences(route, found.content):
        raise SetupDifference("index", found.name, lines, CHANGE_INDEX)
    name = found.name if found else first_index(route)
    say(Step("index", name, "exists" if found else "created", f"alias {route.index}"))


async def find_pipeline(elastic: Elastic, name: str) -> Json | None:
    """Return the pipeline `name`, or None when it is missing."""
    answer = await elastic.find(f"/_ingest/pipeline/{name}")
    return answer.get(name) if answer else None


async def find_index(elastic: Elastic, route: RouteSettings) -> Found | None:
    """Return the index behind the alias of `route`, or None when there is none.

    Raises SetupError when the name is an index, SetupDifference when the alias is not one writable index.
    """
    answer = await elastic.find(f"/{route.index}", flat_settings="true")
    if answer is None:
        return None
    if route.index in answer:
        msg = (
            f"{route.index!r} is an index, and the route {route.name!r} needs an alias of that name: "
            f"give the route another index, or reindex it into {first_index(route)!r} and delete it"
        )
        raise SetupError(msg)
    if lines := alias_differences(route.index, answer):
        raise SetupDifference("alias", route.index, lines, CHANGE_ALIAS)
    return next(Found(name, content) for name, content in answer.items())


def alias_differences(alias: str, found: Json) -> list[str]:
    """Compare the indices behind an alias with one index that may be written (pure)."""
    if len(found) != 1:
        return [line("indices", 1, sorted(found))]
    [(name, content)] = found.items()
    given = content.get("aliases", {}).get(alias, {})
    lines = [
        line(f"{name}.{parameter}", NOTHING, given[parameter])
        for parameter in ("filter", "index_routing", "search_routing")
        if parameter in given
    ]
    if given.get("is_write_index") is False:
        lines.append(line(f"{name}.is_write_index", expected=True, found=False))
    return lines


async def _refuse_without_alias(elastic: Elastic, route: RouteSettings) -> None:
    name = first_index(route)
    if await elastic.find(f"/{name}") is not None:
        lines = [line(f"aliases.{route.index}", {}, NOTHING)]
        raise SetupDifference("index", name, lines, f"put the alias {route.index!r} on it, or delete it")
