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
    """The request as a whole, or many of its items, were refused for one document: send fewer at once; alone, never."""
    STOP = "stop"
    """Nobody knows: end the program with everything uncommitted kept."""


class Place(enum.StrEnum):
    """What a hold waits for."""

    DEPLOYMENT = "deployment"
    """Inference alone is gone: documents that need none may still be indexed."""
    CLUSTER = "cluster"
    """Nothing can be indexed."""


class Verdict(msgspec.Struct, frozen=True):
    """An action and a word for counting.

    `result` says how a DONE record ended, where the answer tells; `place` is about a HOLD only; `current` is the
    version that the index has instead of ours.
    """

    action: Action
    reason: str
    result: Result | None = None
    detail: str = ""
    place: Place = Place.CLUSTER
    current: int = 0


class Answer(msgspec.Struct, frozen=True):
    """An error answer: status, `error.type` and `error.reason`."""

    layer: Layer
    status: int
    kind: str = ""
    reason: str = ""


QUEUE_FULL = "queue_full"
PROCESS_DIED = "process_died"
MEMORY_SHORT = frozenset({"indexing_pressure", "circuit_breaker"})

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
    """A row of the table; what is left empty matches everything. `text` is a pattern searched in the reason.

    Where the pattern has groups `own` and `most`, the first number must be larger than the second.
    """

    layer: Layer
    status: int
    kind: str
    text: str
    action: Action
    reason: str
    place: Place = Place.CLUSTER


def _item(status: int, kind: str, text: str, action: Action, reason: str) -> Row:
    return Row(Layer.ITEM, status, kind, text, action, reason)


def _gone(status: int, kind: str, text: str, reason: str) -> Row:
    """Return the row of an answer that inference is gone, for a while or until somebody brings it back."""
    return Row(Layer.ITEM, status, kind, text, Action.HOLD, reason, Place.DEPLOYMENT)


def _request(status: int, action: Action, reason: str, text: str = "", kind: str = "") -> Row:
    return Row(Layer.REQUEST, status, kind, text, action, reason)


STATUS = "status_exception"
REJECTED = "es_rejected_execution_exception"
PRESSURE = r"rejected execution of (coordinating|primary|replica) operation"
OVERSIZED = r"operation_bytes=(?P<own>\d+), max_\w+=(?P<most>\d+)"
"""More than the whole allowance in one request: waiting does not help."""
LARGE_OPERATION = "Request contains an operation of size"
"""Said of all items of a shard when one of them alone is above the limit."""
OURS = (
    r"unrecognized parameter|Malformed action/metadata|terminated by a newline|no requests added|only support internal"
)

# A breaker's limit is for all that the node does at the moment, and its durability says who holds the memory, not
# whether this request can ever pass. So it is never a document's end; smaller requests are the way through.
TABLE = (
    _item(429, REJECTED, "process queue is full", Action.RETRY, QUEUE_FULL),
    _gone(429, REJECTED, "worker service has shutdown", "process_stopped"),
    _gone(429, STATUS, "Too many pending requests", "waiting_for_allocation"),
    _item(429, REJECTED, OVERSIZED, Action.SPLIT, "too_large"),
    _item(429, REJECTED, LARGE_OPERATION, Action.SPLIT, "too_large"),
    _item(429, REJECTED, PRESSURE, Action.RETRY, "indexing_pressure"),
    _item(429, "circuit_breaking_exception", "", Action.RETRY, "circuit_breaker"),
    _item(429, "cluster_block_exception", "", Action.HOLD, "index_blocked"),
    _item(429, "", "", Action.RETRY, "rejected"),
    _gone(408, "", "waiting for trained model deployment", "waiting_for_allocation"),
    _item(408, "", "", Action.RETRY, "inference_timeout"),
    _gone(409, STATUS, "must be deployed", "not_deployed"),
    _gone(409, STATUS, r"is \[?(stopping|stopped|failed)", "deployment_stopping"),
    _gone(409, STATUS, "not allocated to any nodes", "not_allocated"),
    _gone(409, STATUS, "waiting for a model allocation", "not_allocated"),
    _gone(409, STATUS, "process context missing", "deployment_stopping"),
    _gone(404, STATUS, "is not an inference service model or a deployed ml model", "not_deployed"),
    # What was being computed when a deployment ended in good order; no document of these is suspect.
    _gone(500, STATUS, "in inference process: .*canceled as process is stopping", "process_stopping"),
    _gone(500, STATUS, "in inference process", PROCESS_DIED),
    # What was queued when a deployment failed for good.
    _gone(500, "illegal_state_exception", "process", "process_stopped"),
    _gone(500, STATUS, "waiting for a model allocation", "not_allocated"),
    _gone(404, STATUS, "Unable to find model deployment task", "deployment_lost"),
    _gone(404, "resource_not_found_exception", "", "model_missing"),
    _gone(403, "security_exception", r"license is non-compliant for \[ml\]", "unlicensed"),
    _item(404, "index_not_found_exception", "", Action.HOLD, "index_missing"),
    _item(403, "", "", Action.HOLD, "forbidden"),
    _item(502, "", "", Action.HOLD, "unavailable"),
    _item(503, "", "", Action.HOLD, "unavailable"),
    _item(504, "", "", Action.HOLD, "unavailable"),
    _item(400, "index_closed_exception", "", Action.HOLD, "index_closed"),
    _item(400, "illegal_argument_exception", r"pipeline with id .* does not exist", Action.HOLD, "pipeline_missing"),
    _item(400, "illegal_argument_exception", "no write index is defined for alias", Action.HOLD, "alias_without_index"),
    _item(400, STATUS, "inference task cancelled", Action.RETRY, "task_cancelled"),
    _item(400, STATUS, "^Input field .* does not exist in the source document", Action.NEVER, "input_missing"),
    # These are about us, not about a document: splitting would bury everything one by one.
    _request(400, Action.STOP, "unknown", OURS),
    _request(400, Action.SPLIT, "bad_request"),
    _request(413, Action.SPLIT, "too_large"),
    _request(401, Action.HOLD, "unauthorized"),
    _request(403, Action.HOLD, "forbidden"),
    _request(404, Action.HOLD, "index_missing"),
    _request(408, Action.RETRY, "timeout"),
    _request(429, Action.SPLIT, "too_large", OVERSIZED, REJECTED),
    _request(429, Action.SPLIT, "too_large", LARGE_OPERATION, REJECTED),
    _request(429, Action.RETRY, "indexing_pressure", PRESSURE, REJECTED),
    _request(429, Action.RETRY, "circuit_breaker", kind="circuit_breaking_exception"),
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
    return Verdict(row.action, row.reason, detail=answer.reason, place=row.place)


def _conflict(answer: Answer, version: int) -> Verdict:
    found = CURRENT_VERSION.search(answer.reason)
    if found is None:
        return Verdict(Action.STOP, "unknown", detail=f"{answer.status} {answer.kind}: {answer.reason}")
    current = int(found[1])
    result = Result.REPEATED if current == version else Result.STALE
    return Verdict(Action.DONE, result.value, result, current=current)


def _is_document_error(answer: Answer) -> bool:
    named = any(_matches(row, answer) for row in TABLE if row.layer is Layer.ITEM)
    return answer.kind in DOCUMENT_ERRORS and not named


def _matches(row: Row, answer: Answer) -> bool:
    if (row.layer, row.status) != (answer.layer, answer.status) or row.kind not in {"", answer.kind}:
        return False
    found = re.search(row.text, answer.reason)
    if found is None:
        return False
    numbers = found.groupdict()
    return not numbers or int(numbers["own"]) > int(numbers["most"])
