"""From the answer of an Elasticsearch search to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from search_api.model import Json
from search_api.query import facets
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings

FILTER_PATH = (
    "timed_out,_shards.failed,hits.total.value,aggregations,"
    "hits.hits._id,hits.hits._score,hits.hits._source,hits.hits.highlight,"
    "pit_id,hits.hits.sort,hits.hits.fields,hits.hits.matched_queries"
)
"""What of Elasticsearch's answer is read; the rest, index names included, is never sent to us."""


def answer(request: SearchRequest, index: IndexSettings, found: Mapping[str, Any], took_ms: float) -> Json:
    """Return our answer to `request` from `found`, Elasticsearch's answer."""
    hidden = index.hidden
    return {
        "index": index.name,
        "query": request.query,
        "mode": request.mode,
        "took_ms": round(took_ms, 1),
        "partial": is_partial(found),
        "hits": [_hit(hit, hidden) for hit in found.get("hits", {}).get("hits", ())],
        **_total(request, found),
        **_facets(request, index, found),
    }


def _total(request: SearchRequest, found: Mapping[str, Any]) -> Json:
    return {"total": found.get("hits", {}).get("total", {}).get("value", 0)} if request.total else {}


def _facets(request: SearchRequest, index: IndexSettings, found: Mapping[str, Any]) -> Json:
    if not request.facets:
        return {}
    counts = found.get("aggregations", {})
    named = ((facet, counts.get(str(number), {})) for number, facet in enumerate(request.facets))
    return {"facets": [facets.answer(facet, counted, index.filters[facet.field].kind) for facet, counted in named]}


def together(found: Sequence[Json]) -> Json:
    """Return one answer from that of a search and that of its counts, if it has any aside."""
    first, *others = found
    whole = dict(first)
    for one in others:
        whole["timed_out"] = is_partial(whole) or is_partial(one)
        whole["aggregations"] = {**whole.get("aggregations", {}), **one.get("aggregations", {})}
    return whole


def is_partial(found: Mapping[str, Any]) -> bool:
    """Return whether a shard failed or ran out of time."""
    return bool(found.get("timed_out")) or found.get("_shards", {}).get("failed", 0) > 0


def _hit(hit: Mapping[str, Any], hidden: Sequence[str]) -> Json:
    source = _shown(hit.get("_source", {}), hidden)
    shown = {"id": hit["_id"], "score": hit.get("_score"), "source": source}
    return shown | ({"highlights": hit["highlight"]} if "highlight" in hit else {})


def _shown(source: Json, hidden: Sequence[str]) -> Json:
    # Elasticsearch has left them out already: what is looked for here is a mistake, and must cost little.
    beginnings = {path.partition(".")[0] for path in hidden}
    if beginnings.isdisjoint(name.partition(".")[0] for name in source):
        return source
    for path in hidden:
        source = without(source, path)
    return source


def without(source: Mapping[str, Any], path: str) -> Json:
    """Return `source` without the field at `path`, be it nested or written with dots."""
    kept = {}
    for name, value in source.items():
        if path.startswith(f"{name}."):
            kept[name] = _without_in(value, path[len(name) + 1 :])
        elif name != path and not name.startswith(f"{path}."):
            kept[name] = value
    return kept


def _without_in(value: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return without(value, path)
    if isinstance(value, list):
        return [_without_in(item, path) for item in value]
    return value
