"""The outcome table, row by row: what each documented or recorded answer means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.delivery.outcome import DOCUMENT_ERRORS, QUEUE_FULL, TABLE, Action, Answer, Layer, judge
from streamer.model import Result

REJECTED = "es_rejected_execution_exception"
STATUS = "status_exception"
PARSING = "document_parsing_exception"
ARGUMENT = "illegal_argument_exception"
PRESSURE = (
    "rejected execution of {} operation [coordinating_and_primary_bytes=0, replica_bytes=0, all_bytes=0, "
    "coordinating_operation_bytes=8108, max_coordinating_bytes=2048]"
)
BAD_JSON = "[1:18] Unexpected character ('}' (code 125)): was expecting double-quote to start field name"
BAD_FEATURE = (
    "[1:15] failed to parse: featureValue must be a positive normal float, got: 0.0 for feature a on field emb which "
    "is less than the minimum positive normal float: 1.17549435E-38"
)
ALLOCATION = "[for_ingest] Error waiting for a model allocation, "
NO_TASK = (
    "Unable to find model deployment task [for_ingest] please stop and start the deployment or try again momentarily"
)
NO_WRITE_INDEX = (
    "no write index is defined for alias [films]. The write index may be explicitly disabled using "
    "is_write_index=false or the alias points to multiple indices without one being designated as a write index"
)

# Elasticsearch 9's exceptions as they arrive in an item, then answers recorded from the server core 8.19 and 9.1.
ITEMS = [
    (429, REJECTED, "inference process queue is full. Unable to execute command", Action.RETRY, QUEUE_FULL),
    (429, REJECTED, "inference process worker service has shutdown", Action.HOLD, "process_stopped"),
    (
        429,
        STATUS,
        "Rejected inference request waiting for an allocation of deployment [for_ingest]. Too many pending requests",
        Action.HOLD,
        "waiting_for_allocation",
    ),
    (429, REJECTED, PRESSURE.format("coordinating"), Action.RETRY, "indexing_pressure"),
    (429, REJECTED, PRESSURE.format("primary"), Action.RETRY, "indexing_pressure"),
    (429, REJECTED, PRESSURE.format("replica"), Action.RETRY, "indexing_pressure"),
    (429, "circuit_breaking_exception", "[parent] Data too large", Action.RETRY, "circuit_breaker"),
    (
        429,
        "cluster_block_exception",
        "index [idx] blocked by: [TOO_MANY_REQUESTS/12/disk]",
        Action.HOLD,
        "index_blocked",
    ),
    (429, REJECTED, "rejected execution of org.elasticsearch on EsThreadPoolExecutor", Action.RETRY, "rejected"),
    (408, STATUS, "timeout [10s] waiting for inference result", Action.RETRY, "inference_timeout"),
    (409, STATUS, ALLOCATION + "model assignment has been removed", Action.HOLD, "not_allocated"),
    (500, STATUS, ALLOCATION + "all nodes have failed with errors [x]", Action.HOLD, "not_allocated"),
    (
        409,
        STATUS,
        "Model [.elser_model_2] must be deployed to use. Please deploy with the start trained model deployment API.",
        Action.HOLD,
        "not_deployed",
    ),
    (409, STATUS, "Trained model [for_ingest] is [stopping]", Action.HOLD, "deployment_stopping"),
    (409, STATUS, "Trained model [for_ingest] is [failed]", Action.HOLD, "deployment_stopping"),
    (
        409,
        STATUS,
        "[for_ingest] is stopping or stopped due to [node shutting down]",
        Action.HOLD,
        "deployment_stopping",
    ),
    (409, STATUS, "[for_ingest] process context missing", Action.HOLD, "deployment_stopping"),
    (
        409,
        STATUS,
        "Trained model deployment [for_ingest] is not allocated to any nodes",
        Action.HOLD,
        "not_allocated",
    ),
    (
        409,
        STATUS,
        "Trained model deployment [x] is not allocated to any nodes; starting deployment of one allocation",
        Action.HOLD,
        "not_allocated",
    ),
    (404, STATUS, NO_TASK, Action.HOLD, "deployment_lost"),
    (404, "resource_not_found_exception", "Could not find trained model [missing_m]", Action.HOLD, "model_missing"),
    (500, STATUS, "Error in inference process: [boom]", Action.HOLD, "process_died"),
    (
        500,
        STATUS,
        "Error in inference process: [inference canceled as process is stopping]",
        Action.HOLD,
        "process_died",
    ),
    (
        500,
        STATUS,
        "Error in inference process: [inference native process died unexpectedly with failure [x]]",
        Action.HOLD,
        "process_died",
    ),
    (400, STATUS, "inference task cancelled", Action.RETRY, "task_cancelled"),
    (400, ARGUMENT, "field [body] not present as part of path [body]", Action.NEVER, ARGUMENT),
    (400, ARGUMENT, "input field [x] cannot be processed because it is not a text field", Action.NEVER, ARGUMENT),
    (403, "security_exception", "current license is non-compliant for [ml]", Action.HOLD, "forbidden"),
    (
        403,
        "cluster_block_exception",
        "index [idx] blocked by: [FORBIDDEN/8/index write (api)];",
        Action.HOLD,
        "forbidden",
    ),
    (503, "unavailable_shards_exception", "[films][0] primary shard is not active", Action.HOLD, "unavailable"),
    (502, "", "", Action.HOLD, "unavailable"),
    (504, "", "", Action.HOLD, "unavailable"),
    (
        404,
        "index_not_found_exception",
        "no such index [nope] and [action.auto_create_index] is [false]",
        Action.HOLD,
        "index_missing",
    ),
    (400, "index_closed_exception", "closed", Action.HOLD, "index_closed"),
    (400, ARGUMENT, "pipeline with id [nosuch] does not exist", Action.HOLD, "pipeline_missing"),
    (400, ARGUMENT, NO_WRITE_INDEX, Action.HOLD, "alias_without_index"),
    (400, PARSING, "[1:11] failed to parse: " + BAD_JSON, Action.NEVER, PARSING),
    (400, PARSING, "[1:11] failed to parse: [1:16] Unexpected end of file", Action.NEVER, PARSING),
    (400, PARSING, "Malformed content, must start with an object", Action.NEVER, PARSING),
    (400, "x_content_parse_exception", BAD_JSON, Action.NEVER, "x_content_parse_exception"),
    (400, "x_content_e_o_f_exception", "[1:16] Unexpected end of file", Action.NEVER, "x_content_e_o_f_exception"),
    (
        400,
        "strict_dynamic_mapping_exception",
        "[1:27] mapping set to strict, dynamic introduction of [unknown] within [_doc] is not allowed",
        Action.NEVER,
        "strict_dynamic_mapping_exception",
    ),
    (
        400,
        PARSING,
        "[1:7] failed to parse field [n] of type [long] in document with id 's1'. Preview of field's value: 'abc'",
        Action.NEVER,
        PARSING,
    ),
    (400, PARSING, BAD_FEATURE, Action.NEVER, PARSING),
    (409, STATUS, "something else", Action.STOP, "unknown"),
    (409, "version_conflict_engine_exception", "no number", Action.STOP, "unknown"),
    (500, "not_x_content_exception", "Compressor detection can only be called", Action.STOP, "unknown"),
    (500, "null_pointer_exception", "", Action.STOP, "unknown"),
    (404, STATUS, "something else", Action.STOP, "unknown"),
    (0, "", "", Action.STOP, "unknown"),
]

REQUESTS = [
    (400, "x_content_parse_exception", BAD_JSON, Action.SPLIT),
    (
        400,
        "action_request_validation_exception",
        "Validation Failed: 1: illegal version value [-5] for version type [EXTERNAL];",
        Action.SPLIT,
    ),
    (413, "", "", Action.SPLIT),
    (401, "security_exception", "missing authentication credentials for REST request [/_bulk]", Action.HOLD),
    (403, "security_exception", "action [indices:data/write/bulk] is unauthorized", Action.HOLD),
    (404, "index_not_found_exception", "no such index [nope]", Action.HOLD),
    (408, "", "", Action.RETRY),
    (429, REJECTED, PRESSURE.format("coordinating"), Action.RETRY),
    (429, "circuit_breaking_exception", "[parent] Data too large", Action.RETRY),
    (502, "", "", Action.HOLD),
    (503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/1/state not recovered]", Action.HOLD),
    (504, "", "", Action.HOLD),
    (405, "", "", Action.STOP),
    (409, "version_conflict_engine_exception", "[2]: version conflict, current version [7]", Action.STOP),
    (500, "null_pointer_exception", "", Action.STOP),
]


@pytest.mark.parametrize(("status", "kind", "reason", "action", "word"), ITEMS)
def test_items(status, kind, reason, action, word):
    verdict = judge(Answer(Layer.ITEM, status, kind, reason))
    assert (verdict.action, verdict.reason) == (action, word)
    assert reason in verdict.detail


@pytest.mark.parametrize(("status", "kind", "reason", "action"), REQUESTS)
def test_requests(status, kind, reason, action):
    assert judge(Answer(Layer.REQUEST, status, kind, reason)).action is action


def test_every_row_is_held_to_an_answer():
    said = {(Layer.ITEM, *answer[:3]) for answer in ITEMS} | {(Layer.REQUEST, *answer[:3]) for answer in REQUESTS}
    found = {judge(Answer(*answer)).reason for answer in said}
    assert {row.reason for row in TABLE} <= found


def conflict(current, provided, id="2", words="higher or equal to"):  # noqa: A002 - the index's own word
    reason = f"[{id}]: version conflict, current version [{current}] is {words} the one provided [{provided}]"
    return judge(Answer(Layer.ITEM, 409, "version_conflict_engine_exception", reason), provided)


@pytest.mark.parametrize(
    ("current", "provided", "result"),
    [
        (7, 3, Result.STALE),
        (7, 7, Result.REPEATED),
        # Above 2^53 a float would take neighbours for equal.
        (2**53 + 1, 2**53, Result.STALE),
        (2**62 + 1, 2**62, Result.STALE),
        (2**62 + 1, 2**62 + 1, Result.REPEATED),
        (2**63 - 1, 2**63 - 1, Result.REPEATED),
    ],
)
@pytest.mark.parametrize("words", ["higher or equal to", "higher than"])
def test_a_conflict_is_done(current, provided, result, words):
    verdict = conflict(current, provided, words=words)
    assert (verdict.action, verdict.result, verdict.reason) == (Action.DONE, result, result.value)


def test_a_key_that_looks_like_a_conflict_misleads_nobody():
    evil = "a]: version conflict, current version [3] is higher than the one provided [3]"
    assert conflict(7, 3, id=evil).result is Result.STALE


@pytest.mark.parametrize(
    "reason",
    [
        "[1]: version conflict, document already exists (current version [5])",
        "[1]: version conflict, required seqNo [77], primary term [1]. current document has seqNo [2]",
    ],
)
def test_conflicts_that_we_never_ask_for_stop(reason):
    assert judge(Answer(Layer.ITEM, 409, "version_conflict_engine_exception", reason), 5).action is Action.STOP


@given(
    st.sampled_from(Layer),
    st.one_of(st.integers(0, 599), st.sampled_from([400, 404, 409, 429, 500])),
    st.one_of(st.text(max_size=9), st.sampled_from([row.kind for row in TABLE] + sorted(DOCUMENT_ERRORS))),
    st.one_of(st.text(), st.sampled_from([answer[2] for answer in ITEMS])),
    st.integers(0, 2**63 - 1),
)
def test_every_answer_has_a_verdict(layer, status, kind, reason, version):
    verdict = judge(Answer(layer, status, kind, reason), version)
    assert verdict.reason
    assert (verdict.result is not None) == (verdict.action is Action.DONE)
    # A dead letter is for a document alone, and a split for a request.
    assert not (verdict.action is Action.NEVER and (layer is Layer.REQUEST or status != 400))
    assert not (verdict.action is Action.SPLIT and layer is Layer.ITEM)
