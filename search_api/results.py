"""From the answer of an Elasticsearch search to ours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from search_api.model import Json, SearchRequest
from search_api.settings import IndexSettings

FILTER_PATH = "timed_out,_shards.failed,hits.hits._id,hits.hits._score,hits.hits._source"
"""What of Elasticsearch's answer is read; the rest, index names included, is never sent to us."""


def answer(request: SearchRequest, index: IndexSettings, found: Mapping[str, Any], took_ms: float) -> Json:
    """Return our answer to `request` from `found`, Elasticsearch's answer."""
    return {
        "index": index.name,
        "query": request.query,
        "mode": request.mode,
        "took_ms": round(took_ms, 1),
        "partial": is_partial(found),
        "hits": [_hit(hit, index) for hit in found.get("hits", {}).get("hits", ())],
    }


def is_partial(found: Mapping[str, Any]) -> bool:
    """Return whether a shard failed or ran out of time."""
    return bool(found.get("timed_out")) or found.get("_shards", {}).get("failed", 0) > 0


def _hit(hit: Mapping[str, Any], index: IndexSettings) -> Json:
    source = hit.get("_source", {})
    for path in index.hidden:
        source = without(source, path)
    return {"id": hit["_id"], "score": hit["_score"], "source": source}


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
