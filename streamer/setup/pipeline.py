"""The ingest pipeline of a route: its body, its revision, and how an existing one is compared with it (pure).

Compatible, and so no difference: another description, version or `_meta`. The processors must be exactly ours and
there must be no `on_failure`: with `ignore_failure` or `on_failure` a refused document is indexed without tokens, and
the answer to the bulk does not show it.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import orjson

import schemas
from streamer.settings import InferenceField, RouteSettings
from streamer.setup.difference import NOTHING, differences, line

Json = dict[str, Any]

REVISION_CHARACTERS = 16


def pipeline_body(route: RouteSettings) -> Json:
    """Return the body of the pipeline: one inference processor a field.

    One processor each, because a processor with several inputs does nothing when the first one is missing.
    """
    body = schemas.body("pipeline")
    body["processors"] = [_processor(body["processors"][0], route, field) for field in route.inference]
    body["_meta"]["revision"] = _digest(body["processors"])
    return body


def revision(route: RouteSettings) -> str:
    """Return the pipeline's revision: a digest of its processors, 16 hexadecimal characters."""
    found: str = pipeline_body(route)["_meta"]["revision"]
    return found


def pipeline_differences(route: RouteSettings, found: Json) -> list[str]:
    """Compare `found` (the inner object of `GET _ingest/pipeline/NAME`) with the settings."""
    lines = differences(pipeline_body(route)["processors"], found.get("processors", NOTHING), "processors")
    if found.get("on_failure"):
        lines.append(line("on_failure", NOTHING, found["on_failure"]))
    return lines


def _digest(processors: list[Json]) -> str:
    return hashlib.sha256(orjson.dumps(processors, option=orjson.OPT_SORT_KEYS)).hexdigest()[:REVISION_CHARACTERS]


def _processor(skeleton: Json, route: RouteSettings, field: InferenceField) -> Json:
    processor: Json = copy.deepcopy(skeleton)
    processor["inference"] |= {
        "model_id": route.deployment,
        "input_output": [{"input_field": field.input, "output_field": field.output}],
    }
    return processor
