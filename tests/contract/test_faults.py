"""Each fault does what its name says, where it is meant, and ends when it is taken away."""

import time
from pathlib import Path

import httpx
import pytest
from elasticsearch import ConnectionError as NoAnswer

from tests.contract.children import encoders
from tests.contract.sandbox import JSON_HEADERS, error_of, items_of, refusal, until

QUEUE_FULL = (429, "es_rejected_execution_exception", "inference process queue is full. Unable to execute command")
PRESSURE = "rejected execution of coordinating operation [coordinating_and_primary_bytes="


async def prepared(sandbox, **options):
    """Return a deployment, an index and a pipeline."""
    deployment = await sandbox.deployment(**options)
    return deployment, await sandbox.index(), await sandbox.pipeline(deployment.id)


async def statuses(sandbox, index, pipeline, count):
    return [item["status"] for item in await sandbox.bulk(index, ["text"] * count, pipeline)]


async def listed(client):
    answer = await client.perform_request("GET", "/_local/faults", headers=JSON_HEADERS)
    return answer.body["faults"]


# --- faults of the ML node


async def test_slow_stretches_times_and_says_so(sandbox):
    deployment = await sandbox.deployment(times={"base_ms": 20, "ms_per_token": 0, "sigma": 0})
    other = await sandbox.deployment(times={"base_ms": 20, "ms_per_token": 0, "sigma": 0})
    fault = await sandbox.fault("slow", deployment=deployment.id, factor=3, delay_ms=40)
    began = time.monotonic()
    await deployment.infer("text")
    assert time.monotonic() - began >= 0.1
    assert (await deployment.node())["average_inference_time_ms"] == 100
    await other.infer("text")
    assert (await other.node())["average_inference_time_ms"] == 20
    await sandbox.heal(fault)
    await deployment.infer("text")
    assert (await deployment.node())["average_inference_time_ms"] == 60


async def test_slow_is_the_pace_of_an_allocation_although_texts_are_written_ahead(sandbox):
    deployment, index, pipeline = await prepared(sandbox, model=".elser_model_2")
    await sandbox.fault("slow", deployment=deployment.id, delay_ms=100)
    began = time.monotonic()
    assert await statuses(sandbox, index, pipeline, 6) == [201] * 6
    assert time.monotonic() - began >= 0.6
    assert (await deployment.node())["average_inference_time_ms"] >= 100


async def test_stall_holds_one_deployment_only(sandbox):
    deployment, index, pipeline = await prepared(sandbox)
    _, other_index, other_pipeline = await prepared(sandbox)
    fault = await sandbox.fault("stall", deployment=deployment.id)
    bulk = sandbox.background(sandbox.bulk(index, ["text"], pipeline))
    await deployment.await_pending(1)
    assert await statuses(sandbox, other_index, other_pipeline, 1) == [201]
    assert not bulk.done()
    await sandbox.heal(fault)
    assert [item["status"] for item in await bulk] == [201]


async def test_reject_items_refuses_its_share_of_ingest_and_can_be_repeated(sandbox):
    deployment, index, pipeline = await prepared(sandbox)
    seen = []
    for _ in range(2):
        fault = await sandbox.fault("reject_items", share=0.5, seed=7, deployment=deployment.id)
        items = await sandbox.bulk(index, ["text"] * 100, pipeline)
        seen.append([item["status"] == 429 for item in items])
        assert {error_of(item) for item in items if item["status"] == 429} == {QUEUE_FULL}
        assert await sandbox.struck(fault) == sum(seen[-1])
        await sandbox.heal(fault)
    assert seen[0] == seen[1]
    assert 25 < sum(seen[0]) < 75
    assert (await deployment.node())["rejected_execution_count"] == sum(seen[0]) * 2
    assert set(await statuses(sandbox, index, pipeline, 100)) == {200, 201}


async def test_a_count_ends_a_fault_and_searches_are_spared(sandbox):
    deployment, index, pipeline = await prepared(sandbox)
    fault = await sandbox.fault("reject_items", share=1, count=2, deployment=deployment.id)
    assert await deployment.infer("text")
    assert await statuses(sandbox, index, pipeline, 4) == [429, 429, 201, 201]
    assert await sandbox.struck(fault) == 2


async def test_crash_process_kills_one_and_does_not_stay(sandbox, stack):
    others = encoders(stack.elasticsearch.pid)
    deployment = await sandbox.deployment(".elser_model_2")
    own = encoders(stack.elasticsearch.pid) - others
    fault = await sandbox.fault("crash_process", deployment=deployment.id)
    assert fault not in await listed(sandbox.client)

    async def replaced():
        now = encoders(stack.elasticsearch.pid) - others
        return now and not now & own

    await until(replaced, "a new process")
    assert await deployment.infer("text")


async def test_crash_process_needs_a_process(sandbox):
    deployment = await sandbox.deployment("synthetic")
    status, _, reason = await refusal(sandbox.fault("crash_process", deployment=deployment.id))
    assert (status, reason) == (400, f"deployment [{deployment.id}] has no process that could be killed")
    assert (await refusal(sandbox.fault("crash_process", deployment="no-such-deployment")))[0] == 404


async def test_lose_deployment_is_es_146806(sandbox):
    deployment, index, pipeline = await prepared(sandbox)
    fault = await sandbox.fault("lose_deployment", deployment=deployment.id)
    (item,) = await sandbox.bulk(index, ["text"], pipeline)
    reason = (
        f"Unable to find model deployment task [{deployment.id}] please stop and start the deployment or try again "
        "momentarily"
    )
    assert error_of(item) == (404, "status_exception", reason)
    assert (await deployment.stats())["state"] == "started"
    await sandbox.heal(fault)
    assert await statuses(sandbox, index, pipeline, 1) == [201]


# --- faults of whole requests


@pytest.mark.parametrize(("when", "indexed"), [("before", 0), ("after", 1)])
async def test_drop_connections_leaves_no_answer(sandbox, when, indexed):
    index = await sandbox.index()
    fault = await sandbox.fault("drop_connections", when=when, path=f"/{index}/_doc")
    # A POST: below the client, aiohttp sends a PUT again by itself when a connection that it has used before breaks.
    with pytest.raises(NoAnswer):
        await sandbox.client.index(index=index, document={"text": "a"})
    assert await sandbox.struck(fault) == 1
    await sandbox.heal(fault)
    await sandbox.client.indices.refresh(index=index)
    assert (await sandbox.client.count(index=index))["count"] == indexed
    assert (await sandbox.client.index(index=index, document={"text": "a"}))["result"] == "created"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "illegal_argument_exception"),
        (429, "es_rejected_execution_exception"),
        (503, "status_exception"),
    ],
)
async def test_http_status_answers_whole_requests(sandbox, status, kind):
    index = await sandbox.index()
    fault = await sandbox.fault("http_status", status=status, path=f"/{index}/_search", count=1)
    found, error, reason = await refusal(sandbox.client.search(index=index))
    assert (found, error) == (status, kind)
    assert fault in reason
    assert (await sandbox.client.count(index=index))["count"] == 0
    assert (await sandbox.client.search(index=index))["timed_out"] is False


async def test_http_status_413_has_no_body(sandbox, stack):
    index = await sandbox.index()
    await sandbox.fault("http_status", status=413, path=f"/{index}/_bulk")
    async with httpx.AsyncClient(base_url=stack.elasticsearch_url) as plain:
        answer = await plain.post(f"/{index}/_bulk", content=b'{"index":{}}\n{}\n', headers=JSON_HEADERS)
    assert (answer.status_code, answer.content) == (413, b"")


async def test_indexing_pressure_refuses_writes_and_nothing_else(sandbox):
    index = await sandbox.index()
    operations = [{"index": {"_index": index, "_id": "1"}}, {"text": "a"}]
    fault = await sandbox.fault("indexing_pressure")
    status, kind, reason = await refusal(sandbox.client.bulk(operations=operations))
    assert (status, kind) == (429, "es_rejected_execution_exception")
    assert reason.startswith(PRESSURE)
    assert (await refusal(sandbox.client.index(index=index, id="1", document={})))[0] == 429
    assert (await sandbox.client.count(index=index))["count"] == 0
    await sandbox.heal(fault)
    assert [item["status"] for item in items_of(await sandbox.client.bulk(operations=operations))] == [201]


# --- the route itself


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"kind": "earthquake"}, "unknown fault kind [earthquake]"),
        ({}, "unknown fault kind [null]"),
        ({"kind": "stall", "strength": 3}, "unknown keys [strength]"),
        ({"kind": "reject_items"}, "missing keys [share]"),
        ({"kind": "reject_items", "share": 1.5}, "[share] must be in (0, 1]"),
        ({"kind": "reject_items", "share": "half"}, "[share] must be a number"),
        ({"kind": "http_status", "status": 418}, "[status] must be one of [400, 413, 429, 503]"),
        ({"kind": "drop_connections", "when": "never"}, "[when] must be one of"),
        ({"kind": "slow", "factor": 0.5}, "[factor] must be at least 1"),
        ({"kind": "stall", "deployment": 5}, "[deployment] must be a string"),
        ({"kind": "kill_node"}, "missing keys [node]"),
        ({"kind": "kill_node", "node": 0}, "[node] must be the number of a node"),
        ({"kind": "kill_node", "node": 1, "seconds": 0}, "[seconds] must be above 0"),
        ({"kind": "drop_connections", "path": ["_bulk"]}, "[path] must be a string"),
    ],
)
async def test_what_is_no_fault_is_refused_and_not_set(client, body, problem):
    request = client.perform_request("PUT", "/_local/faults/wrong", headers=JSON_HEADERS, body=body)
    status, kind, reason = await refusal(request)
    assert (status, kind) == (400, "illegal_argument_exception")
    assert problem in reason
    assert "wrong" not in await listed(client)


async def test_a_fault_that_is_not_set_cannot_be_taken_away(client):
    request = client.perform_request("DELETE", "/_local/faults/nobody", headers=JSON_HEADERS)
    assert (await refusal(request))[:2] == (404, "resource_not_found_exception")


async def test_all_faults_go_at_once(sandbox):
    names = {await sandbox.fault("stall", deployment="a"), await sandbox.fault("slow", deployment="b")}
    assert names <= (await listed(sandbox.client)).keys()
    await sandbox.client.perform_request("DELETE", "/_local/faults", headers=JSON_HEADERS)
    assert await listed(sandbox.client) == {}


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, the same inside IPv6, and ::1, as the kernel writes them."""

LISTENING = "0A"


async def test_the_node_listens_on_the_loopback_interface_only(client, stack):
    assert await client.ping()
    assert listeners(stack.elasticsearch_port)
    assert listeners(stack.elasticsearch_port) <= LOOPBACK


def listeners(port):
    """Return the addresses on which somebody listens on a port."""
    tables = [Path("/proc/net", name).read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    sockets = [(*line.split()[1].split(":"), line.split()[3]) for table in tables for line in table]
    return {address for address, number, state in sockets if state == LISTENING and int(number, 16) == port}
