"""The index of a route: its body, and how an existing index is compared with it (pure).

Compatible, and so no difference: fields and multi-fields that the settings do not name (dynamic mapping adds them);
shards, replicas and the refresh interval (the settings give those of a new index); a longer `index.gc_deletes`; a
`_source` without the tokens (`excludes`), which only means that no text is spared the encoder.
Everything else that the settings name must be as they say, and what decides how documents are stored or searched
(`_source`, `dynamic`, a default or final pipeline) must be as a new index has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import schemas
from streamer.errors import SettingsError
from streamer.model import RESERVED
from streamer.settings import RouteSettings
from streamer.setup.difference import NOTHING, differences, line, milliseconds

Json = dict[str, Any]

FIRST_INDEX = "{alias}-000001"
SERVER_GC_DELETES = "60s"
NONE = "_none"

_CHILDREN = ("properties", "fields")
_IGNORED = frozenset({*_CHILDREN, "meta", "_meta", "runtime", "dynamic_templates", "numeric_detection"})
# What Elasticsearch leaves out of its answer because it is the default.
_DEFAULTS: Mapping[str, Any] = {
    "type": "object", "dynamic": "true", "enabled": True, "index": True, "doc_values": True, "store": False,
    "norms": True, "date_detection": True,
}  # fmt: skip
# Fields that the inference processor writes beside its output (es: InferenceResults.writeResultToField).
_BESIDE_OUTPUT: Mapping[str, Json] = {"model_id": {"type": "keyword"}, "is_truncated": {"type": "boolean"}}


def index_body(route: RouteSettings) -> Json:
    """Return the body that creates the index of `route`, its alias included.

    Raises SettingsError when the route maps a field that the streamer or the pipeline writes.
    """
    body = schemas.body("index")
    body["settings"] |= {
        "index.number_of_shards": route.number_of_shards,
        "index.number_of_replicas": route.number_of_replicas,
        "index.refresh_interval": route.refresh_interval,
    }
    body["mappings"] = _mapping(route, body["mappings"])
    return body | {"aliases": {route.index: {"is_write_index": True}}}


def first_index(route: RouteSettings) -> str:
    """Return the name of the first index behind the alias of `route`."""
    return FIRST_INDEX.format(alias=route.index)


def index_differences(route: RouteSettings, found: Json) -> list[str]:
    """Compare `found` (`GET /index?flat_settings=true`, the inner object) with the settings."""
    expected = index_body(route)
    mappings = dict(found.get("mappings", {}))
    if _leaves_out_tokens(route, mappings.get("_source", {})):
        del mappings["_source"]
    lines = _settings_differences(expected["settings"], found.get("settings", {}))
    return lines + mapping_differences(expected["mappings"], mappings)


def mapping_differences(expected: Json, found: Json, path: str = "mappings") -> list[str]:
    """Return a line for each parameter of an expected field that is not as expected; extra fields are fine."""
    names = sorted((expected.keys() | found.keys()) - _IGNORED)
    lines = [
        text
        for name in names
        for text in differences(_parameter(expected, name), _parameter(found, name), f"{path}.{name}")
    ]
    for children in _CHILDREN:
        for name, field in expected.get(children, {}).items():
            lines += _field_differences(field, found.get(children, {}).get(name), f"{path}.{children}.{name}")
    return lines


def _leaves_out_tokens(route: RouteSettings, source: Json) -> bool:
    """Return whether `_source` is kept but for the tokens, or some of them."""
    tokens = {name for field in route.inference for name in (field.output, f"{field.output}.*")}
    return source.keys() == {"excludes"} and tokens.issuperset(source["excludes"])


def _field_differences(expected: Json, found: Json | None, path: str) -> list[str]:
    if found is None:
        return [line(path, expected, NOTHING)]
    return mapping_differences(expected, found, path)


def _parameter(field: Json, name: str) -> object:
    return field.get(name, _DEFAULTS.get(name, NOTHING))


def _settings_differences(expected: Json, found: Json) -> list[str]:
    lines = []
    deletes = found.get("index.gc_deletes", SERVER_GC_DELETES)
    if milliseconds(deletes) < milliseconds(expected["index.gc_deletes"]):
        lines.append(line("settings.index.gc_deletes", expected["index.gc_deletes"], deletes))
    # A write that needs no inference goes past the pipeline; these would run all the same.
    others = [name for name in ("index.default_pipeline", "index.final_pipeline") if found.get(name, NONE) != NONE]
    return lines + [line(f"settings.{name}", NOTHING, found[name]) for name in others]


def _mapping(route: RouteSettings, skeleton: Json) -> Json:
    written: Json = {}
    for field in route.inference:
        base = field.output.rpartition(".")[0]
        _put(written, field.output, {"type": "sparse_vector"})
        for name, definition in _BESIDE_OUTPUT.items():
            _put(written, f"{base}.{name}" if base else name, definition)
    properties = _expanded(route.properties)
    for field in route.inference:
        # Dynamic mapping would add a keyword copy of a text that nobody filters on.
        _put(properties, field.input, {"type": "text"}, keep=True)
    _refuse_clash(route, properties, skeleton["properties"] | written)
    return skeleton | {"properties": _merged(properties, skeleton["properties"] | written)}


def _refuse_clash(route: RouteSettings, own: Json, written: Json) -> None:
    clash = sorted(set(_leaves(own)) & set(_leaves(written)) | ({RESERVED} & own.keys()))
    if clash:
        names = ", ".join(clash)
        msg = f"route {route.name!r} maps {names}, which the streamer writes itself: take it out of properties"
        raise SettingsError(msg)


def _leaves(properties: Json, prefix: str = "") -> list[str]:
    found = []
    for name, field in properties.items():
        inner = field.get("properties")
        found += _leaves(inner, f"{prefix}{name}.") if inner else [f"{prefix}{name}"]
    return found


def _expanded(properties: Json) -> Json:
    """Return properties without dots in names, as Elasticsearch expands them."""
    expanded: Json = {}
    for name, field in properties.items():
        inner = field.get("properties")
        one: Json = {}
        _put(one, name, field | {"properties": _expanded(inner)} if inner else field)
        expanded = _merged(expanded, one)
    return expanded


def _put(properties: Json, path: str, field: Json, *, keep: bool = False) -> None:
    """Set the field at a dotted `path`, as Elasticsearch expands it; with `keep` an existing one stays."""
    *parents, name = path.split(".")
    for parent in parents:
        properties = properties.setdefault(parent, {}).setdefault("properties", {})
    if not (keep and name in properties):
        properties[name] = dict(field)


def _merged(first: Json, second: Json) -> Json:
    both = {}
    for name in first.keys() & second.keys():
        one, other = first[name].get("properties", {}), second[name].get("properties", {})
        both[name] = first[name] | second[name] | ({"properties": _merged(one, other)} if one or other else {})
    return first | second | both
