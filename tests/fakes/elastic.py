"""A door to Elasticsearch that obeys external versions, keeps what it was sent, and fails as a test tells it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from tests.fakes.clock import LoopClock

QUEUE_FULL = (429, "es_rejected_execution_exception", "inference process queue is full. Unable to execute command")
NOT_DEPLOYED = (
    409,
    "status_exception",
    "Model [m] must be deployed to use. Please deploy with the start trained model",
)
BAD_DOCUMENT = (400, "document_parsing_exception", "[1:7] failed to parse field [n] of type [long]")
Failure = tuple[int, str, str]
Json = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """A bulk that came: when, and the (id, version) of each item of the target index."""

    at: float
    items: tuple[tuple[str, int], ...]


@dataclass
class FakeElastic:
    """`fails` refuses an item by its id, `fails_at` by id and version, `breaks` a request; the rest is written.

    `markers` are the versions of deletion markers by their ids; `unmarked` is what a look-up of them meets instead.
    """

    index: str = "films-000001"
    alias: str = "films"
    seconds: float = 0.1
    fails: Callable[[str], Failure | None] = lambda _: None
    fails_at: Callable[[str, int], Failure | None] = lambda *_: None
    breaks: Callable[[list[str]], Exception | None] = lambda _: None
    requests: list[Request] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    written: list[tuple[str, int]] = field(default_factory=list)
    markers: dict[str, int] = field(default_factory=dict)
    unmarked: Exception | Json | None = None
    looked_up: list[list[str]] = field(default_factory=list)

    async def bulk(self, body: bytes, filter_path: str) -> dict[str, Any]:
        actions = actions_of(body)
        ours = [meta for _, meta in actions if meta["_index"] == self.alias]
        items = tuple((meta["_id"], meta["version"]) for meta in ours)
        self.requests.append(Request(LoopClock().monotonic(), items))
        broken = self.breaks([meta["_id"] for meta in ours])
        await asyncio.sleep(self.seconds)
        if broken is not None:
            raise broken
        answers = [{operation: self._item(operation, meta)} for operation, meta in actions]
        return {"took": 1, "ingest_took": 1, "errors": False, "items": answers}

    async def post(self, path: str, body: Json, **params: str) -> Json:
        """Answer a `_mget` of markers and documents."""
        assert path == "/_mget"
        self.looked_up.append([entry["_id"] for entry in body["docs"] if entry["_index"] == self.alias])
        if isinstance(self.unmarked, Exception):
            raise self.unmarked
        return {"docs": [self._found(entry) for entry in body["docs"]]}

    @property
    def sent(self) -> list[list[str]]:
        """The ids of each request."""
        return [[name for name, _ in request.items] for request in self.requests]

    def _found(self, entry: Json) -> Json:
        if self.unmarked is not None:
            return {"error": self.unmarked}
        version = (self.versions if entry["_index"] == self.alias else self.markers).get(entry["_id"])
        return {"found": False} if version is None else {"found": True, "_version": version}

    def _item(self, operation: str, meta: dict[str, Any]) -> dict[str, Any]:
        index = self.index if meta["_index"] == self.alias else meta["_index"]
        name, version = meta["_id"], meta["version"]
        failure = self.fails(name) or self.fails_at(name, version)
        held = self.versions.get(name, -1)
        if failure is None and held >= version:
            failure = (409, "version_conflict_engine_exception", _conflict(name, held, version))
        if failure is not None:
            status, kind, reason = failure
            return {"_index": index, "status": status, "error": {"type": kind, "reason": reason}}
        self.versions[name] = version
        self.written.append((name, version))
        return {"_index": index, "status": 200, "result": "deleted" if operation == "delete" else "created"}


def _conflict(name: str, held: int, version: int) -> str:
    return f"[{name}]: version conflict, current version [{held}] is higher or equal to the one provided [{version}]"


def actions_of(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return action and metadata of each item of a bulk."""
    lines = iter(body.split(b"\n")[:-1])
    found = []
    for line in lines:
        ((operation, meta),) = orjson.loads(line).items()
        found.append((operation, meta))
        if operation != "delete":
            orjson.loads(next(lines))
    return found
