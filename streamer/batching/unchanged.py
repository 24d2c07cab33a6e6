"""A text that has not changed keeps its tokens: what to ask the index, and what its answer means. Pure.

The tokens of a document are a function of what its `text_hash` covers: model, pipeline revision and each (input,
output, text). So tokens that stand beside an equal hash are those that the pipeline would write, whoever wrote them and
whatever happens meanwhile.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import orjson

from streamer.intake.decode import put
from streamer.intake.route import Route
from streamer.model import PLAIN, RESERVED, Write

HASH = f"{RESERVED}.text_hash"

Json = dict[str, Any]
Entry = Mapping[str, Any]

PASSING = frozenset(
    {
        "no_shard_available_action_exception",
        "unavailable_shards_exception",
        "node_not_connected_exception",
        "node_disconnected_exception",
        "circuit_breaking_exception",
        "es_rejected_execution_exception",
    }
)
"""Errors of a document's shard that are over when the cluster has settled."""


class Found(enum.Enum):
    """What the index knows of a document's text."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    """The hash is the same, and the tokens are not in the answer."""
    FAILED = "failed"
    """It could not be asked, and asking again is of no use."""
    LATER = "later"
    """It could not be asked now."""


def found_of(write: Write, entry: Entry) -> Found:
    """Return what an entry of a `_mget` that shows the hash says about the text of `write`."""
    if (error := entry.get("error")) is not None:
        return Found.LATER if error.get("type") in PASSING else Found.FAILED
    if not entry.get("found"):
        return Found.ABSENT
    return Found.UNCHANGED if _at(entry.get("_source", {}), HASH) == write.text_hash else Found.CHANGED


def fields_of(routes: Iterable[Route]) -> list[str]:
    """Return the fields that hold hash, tokens and what the processor writes beside them."""
    return list(dict.fromkeys([HASH, *(name for route in routes for name in route.written_by_processor)]))


def spared(write: Write, source: Json, route: Route) -> Write | None:
    """Return `write` as it goes without the pipeline, with what that has written into `source`, a stored document.

    None if the tokens of some text are not there, or the document has no place for them, which the pipeline would say.
    """
    outputs = [field.output for field in route.inference if _at(source, field.output) is not None]
    if len(outputs) != write.inputs:
        return None
    document: Json = orjson.loads(write.body or b"{}")
    for name in route.written_by_processor:
        value = _at(source, name)
        if value is not None and not put(document, name, value):
            return None
    return msgspec.structs.replace(write, body=orjson.dumps(document), lane=PLAIN, inputs=0, unasked=False)


def inferred(write: Write) -> Write:
    """Return `write` as it goes through the pipeline."""
    return msgspec.structs.replace(write, unasked=False)


def _at(source: object, path: str) -> object:
    """Return what stands at `path`, as objects in objects, which is how the pipeline writes; None if nothing does."""
    for name in path.split("."):
        source = source.get(name) if isinstance(source, dict) else None
    return source
