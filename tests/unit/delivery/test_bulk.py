"""A batch as NDJSON, and what its answer says of each write."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.delivery.bulk import BulkCodec, marker_id
from streamer.delivery.outcome import QUEUE_FULL, Action
from streamer.model import PLAIN, Result
from tests.unit.builders import ROUTE, deletion, write

INDEX = "films-000001"
CODEC = BulkCodec({"films": ROUTE}, "streamer-state")
CONFLICT = "[k]: version conflict, current version [5] is higher or equal to the one provided [5]"
plain = write(0, lane=PLAIN)


def lines(*writes):
    body = CODEC.encode(writes, now_ms=7)
    assert body.endswith(b"\n")
    return [orjson.loads(line) for line in body.split(b"\n")[:-1]]


def ok(status=201, index=INDEX, **fields):
    return {"index": {"status": status, "_index": index, "result": "created"} | fields}


def deleted(status=200, result="deleted", index=INDEX):
    return {"delete": {"status": status, "_index": index, "result": result}}


def failed(status, kind, reason=""):
    return {"index": {"status": status, "_index": INDEX, "error": {"type": kind, "reason": reason}}}


MARKED = ok(index="streamer-state")


def read(writes, *items, **fields):
    return CODEC.read(writes, {"took": 1, "ingest_took": 1, "errors": False, "items": list(items)} | fields)


def test_a_document_with_text_passes_the_pipeline():
    action, document = lines(write(3, body=b'{"text":"a"}'))
    assert action == {
        "index": {
            "_index": "films",
            "_id": "k",
            "version": 17,
            "version_type": "external",
            "require_alias": True,
            "pipeline": "films-elser",
        }
    }
    assert document == {
        "text": "a",
        "_streamer": {
            "topic": "films",
            "partition": 0,
            "offset": 3,
            "epoch": 1,
            "timestamp_ms": 1_763_800_000_000,
            "indexed_at_ms": 7,
            "text_hash": "h",
            "model": ".elser_model_2",
            "pipeline_revision": "r1",
            "schema_version": 1,
        },
    }


def test_a_document_without_text_passes_none():
    action, document = lines(plain)
    assert action["index"]["pipeline"] == "_none"
    assert document["_streamer"]["text_hash"] == ""


def test_a_deletion_leaves_a_marker():
    delete, index, marker = lines(deletion(3))
    assert delete == {"delete": {"_index": "films", "_id": "k", "version": 17, "version_type": "external"}}
    assert index["index"] == {
        "_index": "streamer-state",
        "_id": marker_id("films", "k"),
        "version": 17,
        "version_type": "external",
        "require_alias": True,
    }
    assert (marker["kind"], marker["index"], marker["id"], marker["version"]) == ("marker", "films", "k", 17)


def test_markers_have_short_ids_of_their_own():
    assert marker_id("films", "a") != marker_id("films", "b") != marker_id("other", "b")
    assert len(marker_id("films", "é" * 256).encode()) < 512


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.one_of(st.none(), st.dictionaries(st.text(), json_values, max_size=4)), min_size=1, max_size=5),
    st.text(),
)
def test_bodies_are_ndjson_whatever_is_in_them(sources, key):
    bodies = [source if source is None else orjson.dumps(source) for source in sources]
    writes = [deletion(n, key) if body is None else write(n, key, body=body) for n, body in enumerate(bodies)]
    found = iter(lines(*writes))
    for source in sources:
        if source is None:
            assert [next(iter(next(found))), next(iter(next(found)))] == ["delete", "index"]
            assert next(found)["id"] == key
        else:
            assert next(found)["index"]["_id"] == key
            document = next(found)
            assert document.pop("_streamer")["topic"] == "films"
            assert document == {name: value for name, value in source.items() if name != "_streamer"}
    assert list(found) == []


@pytest.mark.parametrize("status", [200, 201])
def test_success(status):
    found = read([write(0), plain], ok(status), ok(status))
    assert [(one.action, one.result) for one in found] == [
        (Action.DONE, Result.INDEXED),
        (Action.DONE, Result.NO_TEXT),
    ]


@pytest.mark.parametrize("delete", [deleted(), deleted(404, "not_found")])
@pytest.mark.parametrize("marker", [MARKED, failed(409, "version_conflict_engine_exception", CONFLICT)])
def test_a_deletion_is_done_when_its_marker_is_there(delete, marker):
    (verdict,) = read([deletion(0)], delete, marker)
    assert (verdict.action, verdict.result) == (Action.DONE, Result.DELETED)


@pytest.mark.parametrize(
    ("marker", "action"),
    [
        (failed(429, "es_rejected_execution_exception", "rejected execution of primary operation"), Action.RETRY),
        (failed(404, "index_not_found_exception"), Action.HOLD),
        (failed(400, "strict_dynamic_mapping_exception"), Action.STOP),
        (failed(500, "null_pointer_exception"), Action.STOP),
    ],
)
def test_a_deletion_without_its_marker_is_not_done(marker, action):
    assert read([deletion(0)], deleted(), marker)[0].action is action


def test_a_refused_deletion_is_refused_whatever_its_marker_says():
    stale = failed(409, "version_conflict_engine_exception", CONFLICT)
    assert read([deletion(0, version=3)], stale, MARKED)[0].result is Result.STALE
    assert read([deletion(0)], failed(503, ""), MARKED)[0].action is Action.HOLD


def test_positions_are_kept_where_deletions_take_two():
    writes = [write(0, "a"), deletion(1, "b"), write(2, "c"), plain]
    full = failed(429, "es_rejected_execution_exception", "inference process queue is full. Unable to execute command")
    found = read(writes, ok(), deleted(), MARKED, full, ok())
    assert [one.reason for one in found] == ["indexed", "deleted", QUEUE_FULL, "no_text"]


@pytest.mark.parametrize(
    ("one", "item", "fields"),
    [
        (write(0), ok(index="failed-films"), {}),
        (write(0), ok(result="noop"), {}),
        (write(0), ok(failure_store="used"), {}),
        (write(0), ok(status=202), {}),
        (write(0), {"index": {"status": 200}}, {}),
        (write(0), {"index": {}}, {}),
        (write(0), {}, {}),
        (plain, ok(index="failed-films"), {}),
        # An alias that is gone lets a versioned deletion create an index of its name.
        (deletion(0), deleted(404, "not_found", index="films"), {}),
        (deletion(0), deleted(500), {}),
    ],
)
def test_what_looks_like_success_and_is_none_stops(one, item, fields):
    items = [item, MARKED] if one.body is None else [item]
    (verdict,) = read([one], *items, **fields)
    assert verdict.action is Action.STOP
    assert verdict.detail


def test_text_without_a_pipeline_run_stops():
    answer = {"took": 1, "errors": False, "items": [ok(), ok()]}
    found = CODEC.read([write(0), plain], answer)
    assert [one.action for one in found] == [Action.STOP, Action.DONE]


@pytest.mark.parametrize("items", [[], [ok()], [ok(), ok(), ok()]])
def test_a_wrong_number_of_items_stops_all(items):
    found = read([write(0, "a"), write(1, "b")], *items)
    assert [one.action for one in found] == [Action.STOP, Action.STOP]
    assert "2 documents" in found[0].detail


def test_an_answer_without_items_stops():
    assert CODEC.read([write(0)], {"body": "<html>"})[0].action is Action.STOP


def test_an_error_that_is_a_text_is_unknown():
    assert read([write(0)], {"index": {"status": 500, "error": "broken"}})[0].action is Action.STOP
