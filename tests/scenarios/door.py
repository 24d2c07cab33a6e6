"""The streamer's door to the simulated deployment: bulks as NDJSON, answers and errors as `Elastic` gives them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from streamer.errors import ElasticRefused
from tests.scenarios.documents import Document
from tests.scenarios.server import Server
from tests.unit.builders import ROUTE

LATE_S = 8.0
"""How long late statistics take."""
STALE_S = 30.0
"""How old stale statistics are."""

Json = dict[str, Any]


class Door:
    """For one instance. `documents` are those that it may send, by id."""

    def __init__(self, server: Server, client: str) -> None:
        self._server, self._client = server, client
        self._trip_s = server.case.server.rtt_ms / 2_000
        self._older: list[tuple[float, Json]] = []
        self._resets = 0
        self.documents: dict[str, Document] = {}

    async def bulk(self, body: bytes, filter_path: str) -> Json:
        """Index with inference; external versions are obeyed by the index behind."""
        sent = [self.documents[name] for name in _ids(body)]
        was_there = [document.indexed for document in sent]
        await asyncio.sleep(self._trip_s)
        outcomes = await self._server.bulk(sent, self._client)
        await asyncio.sleep(self._trip_s)
        items = [
            {"index": _item(document, failure, repeated=document.indexed > there + 1 or bool(there))}
            for document, failure, there in zip(sent, outcomes, was_there, strict=True)
        ]
        return {"took": 1, "ingest_took": 1, "errors": any(outcomes), "items": items}

    async def get(self, path: str, **params: str) -> Json:
        """Answer `_stats` as the scenario says."""
        await asyncio.sleep(self._trip_s)
        mode, found = self._server.stats, await self._server.statistics()
        self._older = [(at, old) for at, old in self._older if at >= self._server.now - STALE_S]
        self._older.append((self._server.now, found))
        if mode == "denied":
            raise ElasticRefused(403, "security_exception", "action [cluster:monitor/xpack/ml] is unauthorized")
        if mode == "late":
            await asyncio.sleep(LATE_S)
        return _as_told(mode, found, self._older[0][1])

    async def post(self, path: str, body: Json, **params: str) -> Json:
        """Nothing of a deletion is ever found."""
        await asyncio.sleep(self._trip_s)
        return {"docs": [{"found": False} for _ in body["docs"]]}


def _as_told(mode: str, found: Json, old: Json) -> Json:
    entry = found["trained_model_stats"][0]
    if mode == "stale":
        return old
    if mode == "absent":
        return {"count": 0, "trained_model_stats": []}
    if mode == "reset":
        for node in entry.get("deployment_stats", {}).get("nodes", ()):
            node["inference_count"] = node.get("inference_count", 0) % 50
    if mode == "bare":
        for node in entry.get("deployment_stats", {}).get("nodes", ()):
            for name in [name for name in node if name not in {"node", "routing_state"}]:
                del node[name]
    return found


def _ids(body: bytes) -> list[str]:
    return [orjson.loads(line)["index"]["_id"] for line in body.split(b"\n")[:-1:2]]


def _item(document: Document, failure: tuple[int, str, str] | None, *, repeated: bool) -> Json:
    if failure is not None:
        status, kind, reason = failure
        return {"_index": ROUTE.concrete_index, "status": status, "error": {"type": kind, "reason": reason}}
    if repeated:
        version = version_of(document)
        reason = (
            f"[{document.name}]: version conflict, current version [{version}] is higher or equal to the one "
            f"provided [{version}]"
        )
        error = {"type": "version_conflict_engine_exception", "reason": reason}
        return {"_index": ROUTE.concrete_index, "status": 409, "error": error}
    return {"_index": ROUTE.concrete_index, "status": 201, "result": "created"}


def version_of(document: Document) -> int:
    """Return the version of a document's record: its offset's, in the first epoch, complete."""
    return (1 << 46) + ((document.number + 1) << 2) + 1
