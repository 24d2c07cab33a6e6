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

    `uninferred` refuses by its id what passes a pipeline.

    `markers` are the versions of deletion markers by their ids; `unmarked` is what a look-up of them meets instead.
    `unread` is what a look-up of texts meets: an error, or what stands in the place of each document. What passes a
    pipeline gets tokens in `text_tokens`, which are a function of its text.
    """

    index: str = "films-000001"
    alias: str = "films"
    seconds: float = 0.1
    fails: Callable[[str], Failure | None] = lambda _: None
    fails_at: Callable[[str, int], Failure | None] = lambda *_: None
    uninferred: Callable[[str], Failure | None] = lambda _: None
    breaks: Callable[[list[str]], Exception | None] = lambda _: None
    requests: list[Request] = field(default_factory=list)
    versions: dict[str, int] = field(default_factory=dict)
    written: list[tuple[str, int]] = field(default_factory=list)
    markers: dict[str, int] = field(default_factory=dict)
    unmarked: Exception | Json | None = None
    looked_up: list[list[str]] = field(default_factory=list)
    documents: dict[str, Json] = field(default_factory=dict)
    inferred: list[str] = field(default_factory=list)
    unread: Exception | Json | None = None
    asked: list[tuple[list[str], dict[str, str]]] = field(default_factory=list)
    """Ids and parameters of the look-ups of texts."""

    async def bulk(self, body: bytes, filter_path: str) -> dict[str, Any]:
        items = items_of(body)
        ours = [meta for _, meta, _ in items if meta["_index"] == self.alias]
        self.requests.append(Request(LoopClock().monotonic(), tuple((meta["_id"], meta["version"]) for meta in ours)))
        broken = self.breaks([meta["_id"] for meta in ours])
        await asyncio.sleep(self.seconds)
        if broken is not None:
            raise broken
        answers = [{operation: self._item(operation, meta, source)} for operation, meta, source in items]
        return {"took": 1, "ingest_took": 1, "errors": False, "items": answers}

    async def post(self, path: str, body: Json, **params: str) -> Json:
        """Answer a `_mget` of markers and documents, or of what documents hold."""
        assert path == "/_mget"
        if params.get("_source") != "false":
            return await self._read([entry["_id"] for entry in body["docs"]], params)
        self.looked_up.append([entry["_id"] for entry in body["docs"] if entry["_index"] == self.alias])
        if isinstance(self.unmarked, Exception):
            raise self.unmarked
        return {"docs": [self._found(entry) for entry in body["docs"]]}

    @property
    def sent(self) -> list[list[str]]:
        """The ids of each request."""
        return [[name for name, _ in request.items] for request in self.requests]

    async def _read(self, names: list[str], params: dict[str, str]) -> Json:
        self.asked.append((names, params))
        unread = self.unread
        await asyncio.sleep(self.seconds)
        if isinstance(unread, Exception):
            raise unread
        wanted = params["_source_includes"].split(",")
        return {"docs": [unread or _shown(self.documents.get(name), wanted) for name in names]}

    def _found(self, entry: Json) -> Json:
        if self.unmarked is not None:
            return {"error": self.unmarked}
        version = (self.versions if entry["_index"] == self.alias else self.markers).get(entry["_id"])
        return {"found": False} if version is None else {"found": True, "_version": version}

    def _keep(self, name: str, meta: Json, source: Json | None) -> None:
        if source is None:
            self.documents.pop(name, None)
            return
        if meta["pipeline"] != "_none":
            self.inferred.append(name)
            source |= {"text_tokens": tokens_of(source.get("text", "")), "model_id": "m"}
        self.documents[name] = source

    def _item(self, operation: str, meta: dict[str, Any], source: Json | None = None) -> dict[str, Any]:
        index = self.index if meta["_index"] == self.alias else meta["_index"]
        name, version = meta["_id"], meta["version"]
        failure = self.fails(name) or self.fails_at(name, version)
        if failure is None and meta.get("pipeline", "_none") != "_none":
            failure = self.uninferred(name)
        held = self.versions.get(name, -1)
        if failure is None and held >= version:
            failure = (409, "version_conflict_engine_exception", _conflict(name, held, version))
        if failure is not None:
            status, kind, reason = failure
            return {"_index": index, "status": status, "error": {"type": kind, "reason": reason}}
        self.versions[name] = version
        self.written.append((name, version))
        if index == self.index:
            self._keep(name, meta, source)
        return {"_index": index, "status": 200, "result": "deleted" if operation == "delete" else "created"}


def tokens_of(text: str) -> Json:
    """Return what the fake encoder makes of a text."""
    return {word: len(word) + 0.25 for word in text.split()}


def _shown(document: Json | None, wanted: list[str]) -> Json:
    """Return an entry of a `_mget` that shows the `wanted` fields, of the highest level or one below."""
    if document is None:
        return {"found": False}
    source: Json = {}
    for parent, _, name in (path.partition(".") for path in wanted):
        if parent in document and not name:
            source[parent] = document[parent]
        elif name in document.get(parent, {}):
            source.setdefault(parent, {})[name] = document[parent][name]
    return {"found": True, "_source": source}


def _conflict(name: str, held: int, version: int) -> str:
    return f"[{name}]: version conflict, current version [{held}] is higher or equal to the one provided [{version}]"


def actions_of(body: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Return action and metadata of each item of a bulk."""
    return [(operation, meta) for operation, meta, _ in items_of(body)]


def items_of(body: bytes) -> list[tuple[str, dict[str, Any], Json | None]]:
    """Return action, metadata and document of each item of a bulk."""
    lines = iter(body.split(b"\n")[:-1])
    found = []
    for line in lines:
        ((operation, meta),) = orjson.loads(line).items()
        found.append((operation, meta, None if operation == "delete" else orjson.loads(next(lines))))
    return found
