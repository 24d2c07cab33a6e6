"""What an answer means: one total function from (layer, status, type, reason) to a verdict. Pure.

Sources of the rows: Elasticsearch 9.1's exceptions as they arrive in `_bulk` items (processor failures are unwrapped
to their cause), and answers recorded from the real server core; see docs/delivery.md.
"""

from __future__ import annotations

import enum
import re

import msgspec

from streamer.model import Result


class Layer(enum.Enum):
    """Where an answer was given."""

    ITEM = "item"
    REQUEST = "request"


class Action(enum.Enum):
    """What to do."""

    DONE = "done"
    """Complete the record."""
    RETRY = "retry"
    """Not now: send only this again, after a while."""
    HOLD = "hold"
    """The deployment, index or cluster is gone: send nothing, keep everything, probe."""
    NEVER = "never"
    """This document, never: dead letter."""
    SPLIT = "split"
    """The request as a whole was refused for one of its documents: send fewer at once; alone, never."""
    STOP = "stop"
    """Nobody knows: end the program with everything uncommitted kept."""


class Verdict(msgspec.Struct, frozen=True):
    """An action and a word for counting; `result` says how a DONE record ended, where the answer tells."""

    action: Action
    reason: str
    result: Result | None = None
    detail: str = ""


class Answer(msgspec.Struct, frozen=True):
    """An error answer: status, `error.type` and `error.reason`."""

    layer: Layer
    status: int
    kind: str = ""
    reason: str = ""


QUEUE_FULL = "queue_full"

DOCUMENT_ERRORS = frozenset(
    {
        "document_parsing_exception",
        "mapper_parsing_exception",
        "strict_dynamic_mapping_exception",
        "illegal_argument_exception",
        "x_content_parse_exception",
        "x_content_e_o_f_exception",
        "action_request_validation_exception",
        "number_format_exception",
        "input_coercion_exception",
    }
)


class Row(msgspec.Struct, frozen=True):
    """A row of the table; what is left empty matches everything. `text` is a pattern searched in the reason."""

    layer: Layer
    status: int
    kind: str
    text: str
    action: Action
    reason: str


def _item(status: int, kind: str, text: str, action: Action, reason: str) -> Row:
    return Row(Layer.ITEM, status, kind, text, action, reason)


def _request(status: int, action: Action, reason: str, text: str = "") -> Row:
    return Row(Layer.REQUEST, status, "", text, action, reason)


REJECTED = "es_rejected_execution_exception"

TABLE = (
    _item(429, REJECTED, "process queue is full", Action.RETRY, QUEUE_FULL),
    _item(429, REJECTED, "worker service has shutdown", Action.HOLD, "process_stopped"),
    _item(429, "status_exception", "Too many pending requests", Action.HOLD, "waiting_for_allocation"),
    _item(429, REJECTED, r"rejected execution of \w+ operation", Action.RETRY, "indexing_pressure"),
    _item(429, "circuit_breaking_exception", "", Action.RETRY, "circuit_breaker"),
    _item(429, "cluster_block_exception", "", Action.HOLD, "index_blocked"),
    _item(429, "", "", Action.RETRY, "rejected"),
    _item(408, "", "", Action.RETRY, "inference_timeout"),
    _item(409, "status_exception", "must be deployed", Action.HOLD, "not_deployed"),
    _item(409, "status_exception", r"is \[?(stopping|stopped|failed)", Action.HOLD, "deployment_stopping"),
    _item(409, "status_exception", "not allocated to any nodes", Action.HOLD, "not_allocated"),
    _item(409, "status_exception", "waiting for a model allocation", Action.HOLD, "not_allocated"),
    _item(409, "status_exception", "process context missing", Action.HOLD, "deployment_stopping"),
    _item(
        404, "status_exception", "is not an inference service model or a deployed ml model", Action.HOLD, "not_deployed"
    ),
    _item(500, "status_exception", "in inference process", Action.HOLD, "process_died"),
    _item(500, "illegal_state_exception", "process", Action.HOLD, "process_died"),
    _item(500, "status_exception", "waiting for a model allocation", Action.HOLD, "not_allocated"),
    _item(404, "status_exception", "Unable to find model deployment task", Action.HOLD, "deployment_lost"),
    _item(404, "resource_not_found_exception", "", Action.HOLD, "model_missing"),
    _item(404, "index_not_found_exception", "", Action.HOLD, "index_missing"),
    _item(403, "", "", Action.HOLD, "forbidden"),
    _item(502, "", "", Action.HOLD, "unavailable"),
    _item(503, "", "", Action.HOLD, "unavailable"),
    _item(504, "", "", Action.HOLD, "unavailable"),
    _item(400, "index_closed_exception", "", Action.HOLD, "index_closed"),
    _item(400, "illegal_argument_exception", r"pipeline with id .* does not exist", Action.HOLD, "pipeline_missing"),
    _item(400, "illegal_argument_exception", "no write index is defined for alias", Action.HOLD, "alias_without_index"),
    _item(400, "status_exception", "inference task cancelled", Action.RETRY, "task_cancelled"),
    # These are about us, not about a document: splitting would bury everything one by one.
    _request(400, Action.STOP, "unknown", r"unrecognized parameter|Malformed action/metadata|terminated by a newline"),
    _request(400, Action.SPLIT, "bad_request"),
    _request(413, Action.SPLIT, "too_large"),
    _request(401, Action.HOLD, "unauthorized"),
    _request(403, Action.HOLD, "forbidden"),
    _request(404, Action.HOLD, "index_missing"),
    _request(408, Action.RETRY, "timeout"),
    _request(429, Action.RETRY, "rejected"),
    _request(502, Action.HOLD, "unavailable"),
    _request(503, Action.HOLD, "unavailable"),
    _request(504, Action.HOLD, "unavailable"),
)

CONFLICT = "version_conflict_engine_exception"
CURRENT_VERSION = re.compile(r"current version \[(\d+)\] is higher (?:than|or equal to) the one provided \[\d+\]$")
"""Only the end of the text is ours to read: it begins with the document's id, which may hold anything."""


def judge(answer: Answer, version: int = 0) -> Verdict:
    """Return the verdict on an error answer; `version` is the one that we sent. Total: the unknown is STOP."""
    if (answer.layer, answer.status, answer.kind) == (Layer.ITEM, 409, CONFLICT):
        return _conflict(answer, version)
    if answer.layer is Layer.ITEM and answer.status == 400 and _is_document_error(answer):  # noqa: PLR2004
        return Verdict(Action.NEVER, answer.kind, detail=answer.reason)
    row = next((row for row in TABLE if _matches(row, answer)), None)
    if row is None:
        return Verdict(Action.STOP, "unknown", detail=f"{answer.status} {answer.kind}: {answer.reason}")
    return Verdict(row.action, row.reason, detail=answer.reason)


def _conflict(answer: Answer, version: int) -> Verdict:
    found = CURRENT_VERSION.search(answer.reason)
    if found is None:
        return Verdict(Action.STOP, "unknown", detail=f"{answer.status} {answer.kind}: {answer.reason}")
    result = Result.REPEATED if int(found[1]) == version else Result.STALE
    return Verdict(Action.DONE, result.value, result)


def _is_document_error(answer: Answer) -> bool:
    named = any(_matches(row, answer) for row in TABLE if row.layer is Layer.ITEM)
    return answer.kind in DOCUMENT_ERRORS and not named


def _matches(row: Row, answer: Answer) -> bool:
    return (
        row.layer is answer.layer
        and row.status == answer.status
        and row.kind in {"", answer.kind}
        and re.search(row.text, answer.reason) is not None
    )
