"""What is asked of Elasticsearch about an index: since when it is there, how it refreshes, and to refresh it."""

from __future__ import annotations

import re
from typing import Any, Protocol

import msgspec

from search_api.metrics import REFRESHES
from streamer.elastic import Elastic
from streamer.errors import ElasticUnavailable
from streamer.metrics import Meter

DEFAULT_INTERVAL_S = 1.0
_UNITS = {"micros": 1e-6, "nanos": 1e-9, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_INTERVAL = re.compile(r"(\d+(?:\.\d+)?)(micros|nanos|ms|s|m|h|d)")


class Facts(msgspec.Struct, frozen=True):
    """When the oldest index behind an alias was created (milliseconds since 1970), and its longest refresh interval."""

    created_ms: int
    interval_s: float


class Index(Protocol):
    """Who can be asked; a test gives another."""

    async def facts(self, alias: str) -> Facts:
        """Return the facts about the indices behind `alias`. Raises ElasticError."""

    async def refresh(self, alias: str) -> None:
        """Make everything searchable that is written. Raises ElasticError, also when a shard did not."""


class ElasticIndex:
    """The real one."""

    def __init__(self, elastic: Elastic, meter: Meter) -> None:
        """Ask through `elastic`."""
        self._elastic, self._meter = elastic, meter

    async def facts(self, alias: str) -> Facts:
        """Return the facts about the indices behind `alias`. Raises ElasticError."""
        return facts_of(alias, await self._elastic.get(f"/{alias}/_settings", flat_settings="true"))

    async def refresh(self, alias: str) -> None:
        """Make everything searchable that is written. Raises ElasticError, also when a shard did not."""
        result = "error"
        try:
            answer = await self._elastic.post(f"/{alias}/_refresh")
            if failed := answer.get("_shards", {}).get("failed", 0):
                raise ElasticUnavailable(f"{failed} shards of {alias} were not refreshed: look at the index's health")
            result = "ok"
        finally:
            self._meter.add(REFRESHES, result)


def facts_of(alias: str, answer: dict[str, Any]) -> Facts:
    """Read the answer of `GET /alias/_settings`, flat. Raises ElasticUnavailable for one without indices (pure)."""
    settings = [found["settings"] for found in answer.values()]
    if not settings:
        raise ElasticUnavailable(f"there is no index behind {alias}")
    intervals = [_seconds(one.get("index.refresh_interval")) for one in settings]
    return Facts(min(int(one["index.creation_date"]) for one in settings), max(intervals))


def _seconds(interval: str | None) -> float:
    if interval is None:
        return DEFAULT_INTERVAL_S
    found = _INTERVAL.fullmatch(interval)
    # -1: it never refreshes by itself.
    return float(found[1]) * _UNITS[found[2]] if found else float("inf")
