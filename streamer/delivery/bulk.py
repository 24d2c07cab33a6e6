"""A batch as NDJSON, and the answer as one verdict for each of its writes. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from streamer.delivery.outcome import Action, Answer, Layer, Verdict, judge
from streamer.intake.route import Route
from streamer.model import RESERVED, SCHEMA_VERSION, Partition, Result, Write

FILTER_PATH = (
    "took,ingest_took,errors,items.*.status,items.*._index,items.*.result,items.*.failure_store,"
    "items.*.error.type,items.*.error.reason"
)
"""What is read of an answer; every item keeps its place, because every item has a status."""

INDEXED_STATUS = frozenset({200, 201})
DELETED_STATUS = frozenset({200, 404})
"""A document that was not there is deleted too."""

INDEXED, LEXICAL, UNCHANGED, NO_TEXT, DELETED = (
    Verdict(Action.DONE, result.value, result)
    for result in (Result.INDEXED, Result.LEXICAL, Result.UNCHANGED, Result.NO_TEXT, Result.DELETED)
)

Item = Mapping[str, Any]


class Frame(msgspec.Struct, frozen=True, gc=False):
    """What stands around that in which two documents of one partition and epoch differ, as bytes."""

    action: bytes
    pipeline: bytes
    no_pipeline: bytes
    place: bytes
    origin: bytes


def marker_id(index: str, document_id: str) -> str:
    """Return the id of the deletion marker for a document; bounded, whatever the document's id is."""
    return f"marker:{index}:{hashlib.sha256(document_id.encode()).hexdigest()}"


class BulkCodec:
    """Writes bulks for a set of routes and reads their answers."""

    def __init__(self, routes: Mapping[str, Route], state_index: str) -> None:
        """Know the routes by name, and where deletion markers go."""
        self._routes = routes
        self._state_index = state_index
        self._frames: dict[tuple[str, Partition, int], Frame] = {}

    def encode(self, writes: Sequence[Write], now_ms: int) -> bytes:
        """Return the body of a `_bulk` request for `writes`, in their order."""
        now = b"%d" % now_ms
        return b"".join(
            [
                self._deletion(write, now_ms) if write.body is None else self._document(write, write.body, now)
                for write in writes
            ]
        )

    def read(self, writes: Sequence[Write], answer: Mapping[str, Any]) -> list[Verdict]:
        """Return a verdict for each of `writes`; an answer that does not fit them is STOP for each."""
        items: list[Item] = [next(iter(item.values()), {}) for item in answer.get("items", ())]
        if len(items) != sum(_item_count(write) for write in writes):
            detail = f"{len(items)} items came back for {len(writes)} documents"
            return [Verdict(Action.STOP, "unknown", detail=detail)] * len(writes)
        inferred = "ingest_took" in answer
        following = iter(items)
        return [self._verdict(write, following, inferred=inferred) for write in writes]

    def _document(self, write: Write, body: bytes, now: bytes) -> bytes:
        record = write.record
        key = (write.route, record.partition, write.epoch)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = _frame(self._routes[write.route], record.partition, write.epoch)
        return b'%b%b,"version":%d%b\n%b%b%b%d,"timestamp_ms":%d,"indexed_at_ms":%b,"text_hash":"%b"%b}\n' % (
            frame.action,
            orjson.dumps(write.id),
            write.version,
            frame.pipeline if write.inputs else frame.no_pipeline,
            body[:-1],
            b"" if body == b"{}" else b",",
            frame.place,
            record.offset,
            record.timestamp_ms,
            now,
            write.text_hash.encode(),
            frame.origin,
        )

    def _deletion(self, write: Write, now_ms: int) -> bytes:
        index = self._routes[write.route].index
        external = {"version": write.version, "version_type": "external"}
        # A state index that is gone must not be made by the server, without its mapping.
        place = {"_index": self._state_index, "_id": marker_id(index, write.id), "require_alias": True}
        marker = {
            "kind": "marker",
            "schema_version": SCHEMA_VERSION,
            "index": index,
            "id": write.id,
            "version": write.version,
            "at_ms": now_ms,
        }
        lines = ({"delete": {"_index": index, "_id": write.id} | external}, {"index": place | external}, marker)
        return b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines)

    def _verdict(self, write: Write, items: Iterator[Item], *, inferred: bool) -> Verdict:
        verdict = self._one(write, next(items), inferred=inferred)
        if write.body is not None:
            return verdict
        marker = _judge_marker(next(items), write.version)
        return marker if verdict.action is Action.DONE and marker is not None else verdict

    def _one(self, write: Write, item: Item, *, inferred: bool) -> Verdict:
        error = item.get("error")
        if error is not None:
            return judge(_answer(item.get("status", 0), error), write.version)
        wrong = self._not_done(write, item, inferred=inferred)
        return Verdict(Action.STOP, "unknown", detail=wrong) if wrong else _done(write)

    def _not_done(self, write: Write, item: Item, *, inferred: bool) -> str:
        """Return why an item that looks like a success is none."""
        expected = self._routes[write.route].concrete_index
        if item.get("status") not in (DELETED_STATUS if write.body is None else INDEXED_STATUS):
            return f"an item without an error has the status {item.get('status')}"
        if item.get("_index") != expected:
            return f"a document of {expected} was written to or deleted from {item.get('_index')}: it was redirected"
        if item.get("result") == "noop" or "failure_store" in item:
            return "a document was dropped or redirected by the pipeline"
        if write.inputs and not inferred:
            return "no pipeline ran for documents with text: the index has a setting that bypasses it"
        return ""


def _frame(route: Route, partition: Partition, epoch: int) -> Frame:
    action = {"_index": route.index, "_id": ""}
    options = {"version_type": "external", "require_alias": True}
    place = {"topic": partition.topic, "partition": partition.number, "epoch": epoch, "offset": 0}
    origin = {"model": route.model, "pipeline_revision": route.pipeline_revision, "schema_version": SCHEMA_VERSION}
    return Frame(
        action=b'{"index":' + orjson.dumps(action).removesuffix(b'""}'),
        pipeline=_rest(options | {"pipeline": route.pipeline}) + b"}",
        no_pipeline=_rest(options | {"pipeline": "_none"}) + b"}",
        place=orjson.dumps({RESERVED: place})[1:].removesuffix(b"0}}"),
        origin=_rest(origin),
    )


def _rest(fields: dict[str, Any]) -> bytes:
    """Return `fields` as the end of a JSON object."""
    return b"," + orjson.dumps(fields)[1:]


def _done(write: Write) -> Verdict:
    if write.body is None:
        return DELETED
    if write.lexical:
        return LEXICAL
    if write.inputs:
        return INDEXED
    return UNCHANGED if write.text_hash else NO_TEXT


def _item_count(write: Write) -> int:
    return 2 if write.body is None else 1


def _judge_marker(item: Item, version: int) -> Verdict | None:
    """Return the verdict on a marker that was not written; None when it is there, as new or newer."""
    error = item.get("error")
    if error is None:
        return None
    verdict = judge(_answer(item.get("status", 0), error), version)
    if verdict.action is Action.NEVER:
        return Verdict(Action.STOP, "unknown", detail=f"a deletion marker was refused: {verdict.detail}")
    return None if verdict.action is Action.DONE else verdict


def _answer(status: int, error: Any) -> Answer:  # noqa: ANN401 - whatever the server put there
    if not isinstance(error, dict):
        return Answer(Layer.ITEM, status, "", str(error))
    return Answer(Layer.ITEM, status, str(error.get("type", "")), str(error.get("reason", "")))
