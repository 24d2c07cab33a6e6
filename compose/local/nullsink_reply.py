"""A bulk request's answer without an index behind it: one item for each action, in order.

Shapes and texts are those of Elasticsearch 9.1; a refused item is the one of a full inference queue.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import msgspec

from compose.local.filter_path import FilterPath

RESULTS = {
    "index": ("created", HTTPStatus.CREATED),
    "create": ("created", HTTPStatus.CREATED),
    "update": ("updated", HTTPStatus.OK),
    "delete": ("deleted", HTTPStatus.OK),
}
REFUSAL = {
    "type": "es_rejected_execution_exception",
    "reason": "inference process queue is full. Unable to execute command",
}
# What differs between two items of one operation, outcome and index.
OWN_FIELDS = {"_id", "_version", "_seq_no"}


ReadyMade = dict[tuple[str, bool], bytes]
"""Items as they are answered, by operation and whether they are refused."""


class BadBulkError(Exception):
    """The whole request is malformed: a 400. The message is Elasticsearch's."""


class Target(msgspec.Struct, frozen=True, gc=False):
    """What an action line says about its document."""

    index: str | None = msgspec.field(name="_index", default=None)
    id: str | None = msgspec.field(name="_id", default=None)
    version: int = 1
    pipeline: str | None = None


class Line(msgspec.Struct, frozen=True, gc=False):
    """An action line: one of the four is there."""

    index: Target | None = None
    create: Target | None = None
    update: Target | None = None
    delete: Target | None = None


class Action(msgspec.Struct, frozen=True, gc=False):
    """One action of a bulk request."""

    operation: str
    target: Target


_decode = msgspec.json.Decoder(Line).decode
_encode = msgspec.json.Encoder().encode


def parse(body: bytes) -> list[Action]:
    """The actions of an NDJSON body; documents are skipped unread. Raises BadBulkError."""
    if not body.endswith(b"\n"):
        raise BadBulkError("The bulk request must be terminated by a newline [\\n]")
    actions: list[Action] = []
    lines = iter(body.split(b"\n"))
    for line in lines:
        if not line.strip():
            continue
        action = _action(line, len(actions))
        actions.append(action)
        if action.operation != "delete" and not next(lines, b""):
            raise BadBulkError(f"Malformed action/metadata line [{len(actions)}], its document is missing")
    if not actions:
        raise BadBulkError("Validation Failed: 1: no requests added;")
    return actions


def _action(line: bytes, before: int) -> Action:
    try:
        found = _decode(line)
    except msgspec.MsgspecError as error:
        raise BadBulkError(f"Malformed action/metadata line [{before + 1}]: {error}") from error
    for operation in RESULTS:
        if (target := getattr(found, operation)) is not None:
            return Action(operation, target)
    wanted = "expected field [create], [delete], [index] or [update]"
    raise BadBulkError(f"Malformed action/metadata line [{before + 1}], {wanted}")


@dataclass(frozen=True, slots=True)
class BulkQuery:
    """What the request's address says; `_none` is Elasticsearch's word for no pipeline."""

    index: str | None = None
    pipeline: str = "_none"
    filter_path: str = ""


class Replier:
    """Answers bulk requests; refuses a share of the items, the same ones for the same seed and order."""

    def __init__(self, reject_share: float, seed: int) -> None:
        self._share = reject_share
        self._random = random.Random(seed)  # noqa: S311 - repeatable, no secret
        self._sequence = 0
        self._constant: dict[tuple[str, str], ReadyMade | None] = {}
        self.items = 0
        self.rejected = 0

    def reply(self, actions: list[Action], query: BulkQuery, took_ms: int) -> bytes:
        """The answer's body."""
        refused = self._refuse(len(actions))
        head: dict[str, Any] = {"errors": True in refused, "took": took_ms}
        if query.pipeline != "_none" or any(action.target.pipeline for action in actions):
            head["ingest_took"] = took_ms
        chosen = FilterPath(query.filter_path)
        indices = {action.target.index or query.index or "" for action in actions}
        constants = {index: self._constants(query.filter_path, index, chosen) for index in indices}
        if (ready := _all_of(constants)) is not None:
            items = [
                ready[action.target.index or query.index or ""][action.operation, no]
                for action, no in zip(actions, refused, strict=True)
            ]
            return _join(_encode(chosen.apply(head)), items)
        answer = {**head, "items": self._items(actions, refused, query)}
        return _encode(chosen.apply(answer))

    def _refuse(self, count: int) -> list[bool]:
        self.items += count
        if not self._share:
            return [False] * count
        refused = [self._random.random() < self._share for _ in range(count)]
        self.rejected += sum(refused)
        return refused

    def _items(self, actions: list[Action], refused: list[bool], query: BulkQuery) -> list[dict[str, Any]]:
        items = []
        for action, no in zip(actions, refused, strict=True):
            self._sequence += 1
            items.append(_item(action, no, query.index, self._sequence))
        return items

    def _constants(self, path: str, index: str, chosen: FilterPath) -> ReadyMade | None:
        """Items ready made, when the filter leaves nothing of them that differs; None otherwise."""
        if (path, index) not in self._constant:
            self._constant[path, index] = _ready_made(chosen, index)
        return self._constant[path, index]


def _all_of(constants: dict[str, ReadyMade | None]) -> dict[str, ReadyMade] | None:
    found = {index: items for index, items in constants.items() if items is not None}
    return found if len(found) == len(constants) else None


def _ready_made(chosen: FilterPath, index: str) -> ReadyMade | None:
    made: ReadyMade = {}
    for operation in RESULTS:
        for no in (False, True):
            sample = {"items": [_item(Action(operation, Target(index, "id")), no, None, 0)]}
            items = chosen.apply(sample).get("items", [])
            if items and not OWN_FIELDS.isdisjoint(items[0].get(operation, {})):
                return None
            made[operation, no] = _encode(items[0]) if items else b""
    return made


def _item(action: Action, refused: bool, index: str | None, sequence: int) -> dict[str, Any]:  # noqa: FBT001
    target = action.target
    names = {"_index": target.index or index, "_id": target.id or uuid4().hex[:20]}
    if refused:
        return {action.operation: {**names, "status": HTTPStatus.TOO_MANY_REQUESTS, "error": REFUSAL}}
    result, status = RESULTS[action.operation]
    done = {
        "_version": target.version,
        "result": result,
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "_seq_no": sequence,
        "_primary_term": 1,
        "status": status,
    }
    return {action.operation: {**names, **done}}


def _join(head: bytes, items: list[bytes]) -> bytes:
    """Head and items, of which the filter may have left nothing."""
    kept = [item for item in items if item]
    if not kept:
        return head
    start = head[:-1] + (b"," if len(head) > len(b"{}") else b"")
    return start + b'"items":[' + b",".join(kept) + b"]}"
