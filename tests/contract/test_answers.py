"""Answers of the real server core, provoked again, and what the outcome table makes of each of them."""

import re

import httpx
import pytest

from streamer.delivery.outcome import Action, Answer, Layer, judge
from tests.contract.sandbox import LONG, error_of, items_of, refusal

NDJSON = {"accept": "application/json", "content-type": "application/x-ndjson"}
BROKEN = b'{"text": "bad", }'


def verdict(error, *, version=0, layer=Layer.ITEM):
    """Return action and word for an error (status, type, reason)."""
    found = judge(Answer(layer, *error), version)
    return found.action, found.reason


async def error_items(sandbox, *operations, **parameters):
    """Return status, type and reason of each item of a bulk that failed."""
    answer = await sandbox.client.bulk(operations=operations, **parameters)
    return [error_of(item) for item in items_of(answer) if "error" in item]


async def raw_bulk(sandbox, body, **parameters):
    """Send bytes as they are."""
    return await sandbox.client.perform_request("POST", "/_bulk", params=parameters, headers=NDJSON, body=body)


def external(index, version, **others):
    return {"_index": index, "_id": "1", "version": version, "version_type": "external", **others}


# --- versions


@pytest.mark.parametrize(
    ("sent", "expected"), [(7, (Action.DONE, "repeated")), (3, (Action.DONE, "stale")), (6, (Action.DONE, "stale"))]
)
@pytest.mark.parametrize("action", ["index", "delete"])
async def test_a_version_that_is_not_higher_is_a_conflict(sandbox, action, sent, expected):
    index = await sandbox.index()
    document = [{"text": "new"}]
    assert not await error_items(sandbox, {"index": external(index, 7)}, *document)
    source = document if action == "index" else []
    (error,) = await error_items(sandbox, {action: external(index, sent)}, *source)
    reason = f"[1]: version conflict, current version [7] is higher or equal to the one provided [{sent}]"
    assert error == (409, "version_conflict_engine_exception", reason)
    assert verdict(error, version=sent) == expected


async def test_other_conflicts_are_known_too(sandbox):
    index = await sandbox.index()
    first = {"index": external(index, 4)}
    await error_items(sandbox, first, {"text": "a"})
    kind = "version_conflict_engine_exception"
    lower = {"index": external(index, 1) | {"version_type": "external_gte"}}
    (gte,) = await error_items(sandbox, lower, {"text": "a"})
    assert gte == (409, kind, "[1]: version conflict, current version [4] is higher than the one provided [1]")
    assert verdict(gte, version=1) == (Action.DONE, "stale")
    (create,) = await error_items(sandbox, {"create": {"_index": index, "_id": "1"}}, {"text": "a"})
    assert create == (409, kind, "[1]: version conflict, document already exists (current version [4])")
    place = {"_index": index, "_id": "1", "if_seq_no": 77, "if_primary_term": 1}
    (sequence,) = await error_items(sandbox, {"index": place}, {"text": "a"})
    assert sequence[2].startswith("[1]: version conflict, required seqNo [77], primary term [1]. current document has")
    # Nobody here sends sequence numbers.
    assert verdict(sequence)[0] is Action.STOP


async def test_one_id_thrice_in_one_bulk_through_the_pipeline(sandbox):
    deployment, index = await sandbox.deployment(), await sandbox.index()
    pipeline = await sandbox.pipeline(deployment.id)
    new, old = {"index": external(index, 5)}, {"index": external(index, 4)}
    operations = [new, {"text": "new"}, old, {"text": "old"}, {"delete": external(index, 6)}]
    items = items_of(await sandbox.client.bulk(operations=operations, pipeline=pipeline))
    assert [item["status"] for item in items] == [201, 409, 200]


# --- deletions


async def test_deleting_what_is_missing_is_no_error_and_leaves_a_version(sandbox):
    index = await sandbox.index()
    plain = await sandbox.client.bulk(operations=[{"delete": {"_index": index, "_id": "2"}}])
    assert plain["errors"] is False
    (item,) = items_of(plain)
    assert (item["status"], item["result"], item["_version"]) == (404, "not_found", 1)
    answer = await sandbox.client.bulk(operations=[{"delete": external(index, 3)}])
    assert answer["errors"] is False
    (item,) = items_of(answer)
    assert (item["status"], item["result"], item["_version"]) == (404, "not_found", 3)
    (error,) = await error_items(sandbox, {"index": external(index, 2)}, {"text": "late"})
    assert error[:2] == (409, "version_conflict_engine_exception")
    assert verdict(error, version=2) == (Action.DONE, "stale")


# --- documents that can never be indexed


@pytest.mark.parametrize(
    ("source", "kind", "pattern"),
    [
        (
            {"unknown": 1},
            "strict_dynamic_mapping_exception",
            r"mapping set to strict, dynamic introduction of \[unknown\]",
        ),
        ({"number": "abc"}, "document_parsing_exception", r"failed to parse field \[number\] of type \[long\]"),
        ({"tokens": {"a": 0.0}}, "document_parsing_exception", r"featureValue must be a positive normal float"),
        ({"tokens": "text"}, "document_parsing_exception", r"\[sparse_vector\] fields must be json objects"),
        (
            {"inner": {"zz": 1}},
            "strict_dynamic_mapping_exception",
            r"introduction of \[zz\] within \[inner\] is not allowed",
        ),
    ],
)
async def test_a_document_against_the_mapping_fails_alone(sandbox, source, kind, pattern):
    index = await sandbox.index(dynamic="strict")
    await sandbox.client.indices.put_mapping(index=index, properties={"inner": {"properties": {}}})
    other = {"index": {"_index": index, "_id": "2"}}
    answer = await sandbox.client.bulk(operations=[{"index": {"_index": index, "_id": "1"}}, source, other, {}])
    bad, good = items_of(answer)
    assert good["status"] == 201
    status, found, reason = error_of(bad)
    assert (status, found) == (400, kind)
    assert re.search(pattern, reason), reason
    assert verdict(error_of(bad)) == (Action.NEVER, kind)
    alone = await refusal(sandbox.client.index(index=index, id="1", document=source))
    assert alone[:2] == (400, kind)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"text": ["a", "b"]}, "input field [text] cannot be processed because it is not a text field"),
        ({"text": 5}, "input field [text] cannot be processed because it is not a text field"),
        ({"other": "a"}, "field [text] not present as part of path [text]"),
    ],
)
async def test_an_input_that_is_no_text_is_refused_for_good(sandbox, source, reason):
    deployment, index = await sandbox.deployment(), await sandbox.index()
    pipeline = await sandbox.pipeline(deployment.id, ignore_missing=False)
    (error,) = await error_items(sandbox, {"index": {"_index": index}}, source, pipeline=pipeline)
    assert error == (400, "illegal_argument_exception", reason)
    assert verdict(error) == (Action.NEVER, "illegal_argument_exception")


NO_JSON = "Compressor detection can only be called on some xcontent bytes or compressed xcontent bytes"


def pair(index, source):
    """Return a body with `source` and a good document after it."""
    action = b'{"index":{"_index":"%s"}}\n' % index.encode()
    return action + source + b"\n" + action + b'{"text":"good"}\n'


@pytest.mark.parametrize(
    ("source", "pattern"),
    [
        (BROKEN, r"failed to parse: .*Unexpected character \('}'"),
        (b'{"text": "bad"', r"^\[1:10\] failed to parse: \[1:15\] Unexpected end of file$"),
        (b'{"number": 1} trailing', r"^\[1:23\] \[1:23\] Unrecognized token 'trailing'"),
        (b"", r"^\[0:0\] failed to parse, document is empty$"),
    ],
)
async def test_malformed_json_fails_alone_without_a_pipeline(sandbox, source, pattern):
    index = await sandbox.index()
    bad, good = items_of(await raw_bulk(sandbox, pair(index, source)))
    assert good["status"] == 201
    status, kind, reason = error_of(bad)
    assert (status, kind) == (400, "document_parsing_exception")
    assert re.search(pattern, reason), reason
    assert verdict((status, kind, reason)) == (Action.NEVER, kind)


@pytest.mark.parametrize("source", [b"garbage", b"[1]", b'"text"', b"null"])
async def test_what_is_no_object_stops_with_and_without_a_pipeline(sandbox, source):
    """Nobody here sends such a thing; where it comes from, nobody knows."""
    deployment, index = await sandbox.deployment(), await sandbox.index()
    pipeline = await sandbox.pipeline(deployment.id)
    bad, good = items_of(await raw_bulk(sandbox, pair(index, source)))
    assert good["status"] == 201
    assert error_of(bad) == (500, "not_x_content_exception", NO_JSON)
    assert verdict(error_of(bad))[0] is Action.STOP
    whole = await refusal(raw_bulk(sandbox, pair(index, source), pipeline=pipeline))
    assert whole == error_of(bad)
    assert verdict(whole, layer=Layer.REQUEST)[0] is Action.STOP


async def test_what_follows_an_object_is_dropped_by_a_pipeline(sandbox):
    deployment, index = await sandbox.deployment(), await sandbox.index()
    pipeline = await sandbox.pipeline(deployment.id)
    items = items_of(await raw_bulk(sandbox, pair(index, b'{"number": 1} trailing'), pipeline=pipeline))
    assert [item["status"] for item in items] == [201, 201]


@pytest.mark.parametrize("source", [BROKEN, b'{"text": "bad"'])
async def test_malformed_json_fails_the_whole_request_with_a_pipeline(sandbox, source):
    deployment, index = await sandbox.deployment(), await sandbox.index()
    pipeline = await sandbox.pipeline(deployment.id)
    error = await refusal(raw_bulk(sandbox, pair(index, source), pipeline=pipeline))
    assert error[:2] == (400, "x_content_parse_exception")
    assert verdict(error, layer=Layer.REQUEST) == (Action.SPLIT, "bad_request")
    await sandbox.client.indices.refresh(index=index)
    assert (await sandbox.client.count(index=index))["count"] == 0


@pytest.mark.parametrize(
    ("body", "kind", "pattern"),
    [
        (b'{"index":{}}\n{}', "illegal_argument_exception", r"must be terminated by a newline \[\\n\]"),
        (b'{"index": {"_index": "i", }}\n{}\n', "x_content_parse_exception", r"Unexpected character \('}'"),
        (b'{"foo":{}}\n{}\n', "illegal_argument_exception", r"Malformed action/metadata line \[1\].*but found \[foo\]"),
        (b"\n", "action_request_validation_exception", r"no requests added"),
        (
            b'{"index":{"_id":"1","version":-5,"version_type":"external"}}\n{}\n',
            "action_request_validation_exception",
            r"illegal version value \[-5\] for version type \[EXTERNAL\]",
        ),
        (
            b'{"create":{"_id":"1","version":5,"version_type":"external"}}\n{}\n',
            "action_request_validation_exception",
            "create operations only support internal versioning",
        ),
        (
            b'{"index":{"_id":"%s"}}\n{}\n' % (b"x" * 513),
            "action_request_validation_exception",
            r"id \[x+\] is too long, must be no longer than 512 bytes but was: 513",
        ),
    ],
)
async def test_a_request_that_is_no_bulk_is_refused_as_a_whole(sandbox, stack, body, kind, pattern):
    index = await sandbox.index()
    # Not through the client, which ends a body with a newline.
    async with httpx.AsyncClient(base_url=stack.elasticsearch_url) as plain:
        answer = await plain.post(f"/{index}/_bulk", content=body, headers=NDJSON)
    found = answer.json()["error"]
    assert (answer.status_code, found["type"]) == (400, kind)
    assert re.search(pattern, found["reason"]), found["reason"]
    error = (400, kind, found["reason"])
    # What is about us and not about a document must not bury the documents one by one.
    ours = re.search("newline|Malformed action|no requests|only support internal", found["reason"])
    expected = (Action.STOP, "unknown") if ours else (Action.SPLIT, "bad_request")
    assert verdict(error, layer=Layer.REQUEST) == expected


# --- the deployment


async def test_a_full_queue_is_a_retry_of_these_items(sandbox):
    deployment, index = await sandbox.deployment(), await sandbox.index()
    pipeline = await sandbox.pipeline(deployment.id)
    await sandbox.fault("reject_items", share=1, count=1, deployment=deployment.id)
    refused, accepted = await sandbox.bulk(index, ["a", "b"], pipeline)
    assert accepted["status"] == 201
    assert verdict(error_of(refused)) == (Action.RETRY, "queue_full")
    await sandbox.fault("reject_items", share=1, count=1, deployment=deployment.id)
    alone = await refusal(sandbox.client.index(index=index, document={"text": "a"}, pipeline=pipeline))
    assert alone == error_of(refused)


async def test_a_deployment_that_goes_away_is_a_hold(sandbox):
    deployment = await sandbox.deployment(times={"base_ms": 0, "ms_per_token": 100, "sigma": 0})
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    fault = await sandbox.fault("lose_deployment", deployment=deployment.id)
    (lost,) = await sandbox.bulk(index, ["a"], pipeline)
    await sandbox.heal(fault)
    bulk = sandbox.background(sandbox.bulk(index, [LONG, "queued"], pipeline))
    await deployment.await_pending(2)
    await deployment.stop()
    computed, queued = await bulk
    (gone,) = await sandbox.bulk(index, ["a"], pipeline)
    found = [verdict(error_of(item)) for item in (lost, computed, queued, gone)]
    reasons = ["deployment_lost", "process_stopping", "process_stopped", "not_deployed"]
    assert found == [(Action.HOLD, reason) for reason in reasons]
    absent = f"[{deployment.id}] is not an inference service model or a deployed ml model"
    assert error_of(gone) == (404, "status_exception", absent)


async def test_a_process_that_died_is_told_from_what_was_queued_behind_it(sandbox):
    deployment, index = await sandbox.deployment(".elser_model_2"), await sandbox.index()
    pipeline = await sandbox.pipeline(deployment.id)
    fault = await sandbox.fault("slow", deployment=deployment.id, delay_ms=600_000)
    bulk = sandbox.background(sandbox.bulk(index, ["computed", "written ahead", "queued"], pipeline))
    await deployment.await_pending(3)
    await sandbox.fault("crash_process", deployment=deployment.id)
    computed, ahead, queued = [error_of(item) for item in await bulk]
    await sandbox.heal(fault)
    assert computed[2].startswith("Error in inference process: [inference native process died unexpectedly with")
    assert ahead == computed
    assert [verdict(computed), verdict(queued)] == [(Action.HOLD, "process_died"), (Action.HOLD, "process_stopped")]


async def test_a_model_that_nobody_knows_is_a_hold(sandbox):
    index, pipeline = await sandbox.index(), await sandbox.pipeline("no-such-model")
    (item,) = await sandbox.bulk(index, ["a"], pipeline)
    reason = "[no-such-model] is not an inference service model or a deployed ml model"
    assert error_of(item) == (404, "status_exception", reason)
    assert verdict(error_of(item)) == (Action.HOLD, "not_deployed")


async def test_a_result_that_did_not_come_in_time_is_a_retry(sandbox):
    """Of the API alone: ingest waits for ever (`test_ml_queue.py`), older servers let it time out too."""
    deployment = await sandbox.deployment()
    fault = await sandbox.fault("stall", deployment=deployment.id)
    error = await refusal(deployment.infer("text", timeout="50ms"))
    await sandbox.heal(fault)
    assert error == (408, "status_exception", "timeout [50ms] waiting for inference result")
    assert verdict(error) == (Action.RETRY, "inference_timeout")


async def test_a_model_that_is_known_and_not_deployed_is_a_hold(sandbox):
    index = await sandbox.index()
    name = sandbox.new("/_ingest/pipeline/{}")
    model = ".elser_model_2_linux-x86_64"
    old_form = {"model_id": model, "field_map": {"text": "text_field"}, "target_field": "ml"}
    await sandbox.client.ingest.put_pipeline(id=name, processors=[{"inference": old_form}])
    (error,) = await error_items(sandbox, {"index": {"_index": index}}, {"text": "a"}, pipeline=name)
    reason = f"Model [{model}] must be deployed to use. Please deploy with the start trained model deployment API."
    assert error == (409, "status_exception", reason)
    assert verdict(error) == (Action.HOLD, "not_deployed")


# --- pipeline, index, cluster


async def test_a_missing_pipeline_is_a_hold_for_its_items(sandbox):
    index = await sandbox.index()
    operations = [{"index": {"_index": index, "pipeline": "nosuch"}}, {}, {"index": {"_index": index}}, {}]
    bad, good = items_of(await sandbox.client.bulk(operations=operations))
    assert good["status"] == 201
    assert error_of(bad) == (400, "illegal_argument_exception", "pipeline with id [nosuch] does not exist")
    assert verdict(error_of(bad)) == (Action.HOLD, "pipeline_missing")


async def test_a_missing_default_pipeline_is_a_hold_too(sandbox):
    index = await sandbox.index(**{"index.default_pipeline": "nosuch"})
    (error,) = await error_items(sandbox, {"index": {"_index": index}}, {"text": "a"})
    assert error == (400, "illegal_argument_exception", "pipeline with id [nosuch] does not exist")
    assert await refusal(sandbox.client.index(index=index, document={"text": "a"})) == error


@pytest.mark.parametrize("action", ["index", "delete"])
async def test_an_alias_without_an_index_to_write_to_is_a_hold(sandbox, action):
    alias = sandbox.new()
    for _ in range(2):
        await sandbox.client.indices.put_alias(index=await sandbox.index(), name=alias)
    (error,) = await error_items(sandbox, {action: external(alias, 3)}, *([{}] if action == "index" else []))
    assert error[:2] == (400, "illegal_argument_exception")
    assert error[2].startswith(f"no write index is defined for alias [{alias}].")
    assert verdict(error) == (Action.HOLD, "alias_without_index")


@pytest.mark.parametrize("action", ["index", "delete"])
async def test_a_missing_index_is_a_hold_where_none_is_made_by_itself(sandbox, action):
    absent, setting = sandbox.new(), "action.auto_create_index"
    await sandbox.client.cluster.put_settings(persistent={setting: "false"})
    try:
        (error,) = await error_items(sandbox, {action: external(absent, 3)}, *([{}] if action == "index" else []))
    finally:
        await sandbox.client.cluster.put_settings(persistent={setting: None})
    reason = f"no such index [{absent}] and [action.auto_create_index] is [false]"
    assert error == (404, "index_not_found_exception", reason)
    assert verdict(error) == (Action.HOLD, "index_missing")


async def test_a_marker_whose_alias_is_missing_is_a_hold(sandbox):
    index, absent = await sandbox.index(), sandbox.new()
    marker = {"index": external(absent, 3) | {"require_alias": True}}
    (error,) = await error_items(sandbox, {"delete": external(index, 3)}, marker, {})
    assert error[:2] == (404, "index_not_found_exception")
    assert verdict(error) == (Action.HOLD, "index_missing")


async def test_a_name_that_is_no_alias_is_a_hold(sandbox):
    index, absent = await sandbox.index(), sandbox.new()
    for name in (index, absent):
        place = {"_index": name, "_id": "1", "require_alias": True}
        (error,) = await error_items(sandbox, {"index": place}, {"text": "a"})
        reason = f"no such index [{name}] and [require_alias] request flag is [true] and [{name}] is not an alias"
        assert error == (404, "index_not_found_exception", reason)
        assert verdict(error) == (Action.HOLD, "index_missing")
    assert not await sandbox.client.indices.exists(index=absent)


@pytest.mark.parametrize(
    ("block", "status", "text", "reason"),
    [
        ("write", 403, "blocked by: [FORBIDDEN/8/index write (api)];", "forbidden"),
        ("read_only_allow_delete", 429, "[TOO_MANY_REQUESTS/12/", "index_blocked"),
    ],
)
async def test_a_block_is_a_hold(sandbox, block, status, text, reason):
    index = await sandbox.index()
    await sandbox.client.indices.put_settings(index=index, settings={f"index.blocks.{block}": True})
    (error,) = await error_items(sandbox, {"index": {"_index": index}}, {"text": "a"})
    assert error[:2] == (status, "cluster_block_exception")
    assert text in error[2]
    assert verdict(error) == (Action.HOLD, reason)


async def test_a_closed_index_is_a_hold(sandbox):
    index = await sandbox.index()
    await sandbox.client.indices.close(index=index)
    (error,) = await error_items(sandbox, {"index": {"_index": index}}, {"text": "a"})
    assert error == (400, "index_closed_exception", "closed")
    assert verdict(error) == (Action.HOLD, "index_closed")


async def test_indexing_pressure_is_a_retry_of_the_whole_request(sandbox):
    await sandbox.fault("indexing_pressure", count=1)
    error = await refusal(sandbox.client.bulk(operations=[{"index": {"_index": "i"}}, {}]))
    assert error[:2] == (429, "es_rejected_execution_exception")
    assert verdict(error, layer=Layer.REQUEST) == (Action.RETRY, "indexing_pressure")
    assert verdict(error) == (Action.RETRY, "indexing_pressure")
