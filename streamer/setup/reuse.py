"""Whether the tokens in an index can be read back, so that an unchanged text need not be encoded again."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from streamer.elastic import Elastic
from streamer.errors import ElasticRefused
from streamer.intake.route import Reuse
from streamer.model import RESERVED
from streamer.settings import RouteSettings

HTTP_FORBIDDEN = 403
HIDES_VECTORS = (9, 2)
"""From this version on an answer leaves vectors out unless `_source_exclude_vectors=false`, which older ones refuse."""

SWITCHED_OFF = "flow.reuse_tokens is false"
NO_VERSION = "the server's version cannot be read without the privilege `monitor`"

Json = dict[str, Any]


async def hides_vectors(elastic: Elastic) -> bool | None:
    """Return whether the server leaves vectors out of what it shows; None if it may not be asked.

    Raises ElasticError.
    """
    try:
        found = await elastic.get("/")
    except ElasticRefused as error:
        if error.status != HTTP_FORBIDDEN:
            raise
        return None
    return hides_vectors_as(found["version"])


def hides_vectors_as(version: Json) -> bool:
    """Read the `version` of `GET /` (pure); a serverless project has no number that says so, and is always new."""
    major, minor = str(version["number"]).split(".")[:2]
    return version.get("build_flavor") == "serverless" or (int(major), int(minor)) >= HIDES_VECTORS


def reuse_of(route: RouteSettings, index: Json, *, hidden: bool | None) -> Reuse:
    """Return whether tokens can be read from `index` (`GET /index?flat_settings=true`, the inner object) (pure)."""
    off = NO_VERSION if hidden is None else _lost(route, index)
    return Reuse(off, hidden=bool(hidden))


def _lost(route: RouteSettings, index: Json) -> str:
    source = index.get("mappings", {}).get("_source", {})
    mode = source.get("mode") or index.get("settings", {}).get("index.mapping.source.mode", "stored")
    if mode != "stored" or source.get("enabled") is False:
        return "the index does not keep the documents' source as it was sent"
    written = [name for field in route.inference for name in (field.output, *field.beside)]
    for name in [f"{RESERVED}.text_hash", *written]:
        left_in = not source.get("includes") or _covers(source["includes"], name)
        if not left_in or _covers(source.get("excludes", ()), name):
            return f"the index leaves {name!r} out of the documents' source"
    return ""


def _covers(patterns: Iterable[str], name: str) -> bool:
    """Return whether a pattern of Elasticsearch's names the field, an object around it, or what is in it."""
    return any(fnmatchcase(name, one) or name.startswith(f"{one}.") or one == f"{name}.*" for one in patterns)
