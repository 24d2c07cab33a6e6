"""The outcome table, row by row: what each documented or recorded answer means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.delivery.outcome import DOCUMENT_ERRORS, TABLE, Action, Answer, Layer, Place, judge
from streamer.model import Result
from tests.unit.delivery.answers import ITEMS, REQUESTS

INFERENCE_IS_GONE = {
    "deployment_lost",
    "deployment_stopping",
    "model_missing",
    "not_allocated",
    "not_deployed",
    "process_died",
    "process_stopped",
    "process_stopping",
    "unlicensed",
    "waiting_for_allocation",
}


@pytest.mark.parametrize(("status", "kind", "reason", "action", "word"), ITEMS)
def test_items(status, kind, reason, action, word):
    verdict = judge(Answer(Layer.ITEM, status, kind, reason))
    assert (verdict.action, verdict.reason) == (action, word)
    assert reason in verdict.detail


@pytest.mark.parametrize(("status", "kind", "reason", "action", "word"), REQUESTS)
def test_requests(status, kind, reason, action, word):
    verdict = judge(Answer(Layer.REQUEST, status, kind, reason))
    assert (verdict.action, verdict.reason) == (action, word)


def test_a_hold_says_whether_only_inference_is_gone():
    answers = [Answer(Layer.ITEM, *answer[:3]) for answer in ITEMS] + [
        Answer(Layer.REQUEST, *answer[:3]) for answer in REQUESTS
    ]
    for verdict in [judge(answer) for answer in answers]:
        expected = Place.DEPLOYMENT if verdict.reason in INFERENCE_IS_GONE else Place.CLUSTER
        assert verdict.place is expected, verdict
    assert {row.reason for row in TABLE if row.place is Place.DEPLOYMENT} == INFERENCE_IS_GONE


def test_every_row_is_held_to_an_answer():
    said = [(Layer.ITEM, *answer) for answer in ITEMS] + [(Layer.REQUEST, *answer) for answer in REQUESTS]
    found = {(layer, status, action, word) for layer, status, _, _, action, word in said}
    assert {(row.layer, row.status, row.action, row.reason) for row in TABLE} <= found


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
    # A dead letter is for a document alone; a split of what was answered item by item is for sizes.
    assert not (verdict.action is Action.NEVER and (layer is Layer.REQUEST or status != 400))
    assert not (verdict.action is Action.SPLIT and layer is Layer.ITEM and verdict.reason != "too_large")
