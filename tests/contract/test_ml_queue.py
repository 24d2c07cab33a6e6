"""The queue in front of a deployment: bounded, in order, searches first, and patient with ingest alone."""

import asyncio

import pytest

from tests.contract.sandbox import BY_THE_WORD, JSON_HEADERS, LONG, error_of, refusal

QUEUE_FULL = (429, "es_rejected_execution_exception", "inference process queue is full. Unable to execute command")
SHUT_DOWN = (429, "es_rejected_execution_exception", "inference process worker service has shutdown")
STOPPING = (500, "status_exception", "Error in inference process: [inference canceled as process is stopping]")


def query(deployment, text="word"):
    return {"sparse_vector": {"field": "tokens", "inference_id": deployment.id, "query": text}}


async def stalled(sandbox, **options):
    """Return a deployment that takes nothing from its queue, the fault that holds it, an index and a pipeline."""
    deployment = await sandbox.deployment(**options)
    fault = await sandbox.fault("stall", deployment=deployment.id)
    return deployment, fault, await sandbox.index(), await sandbox.pipeline(deployment.id)


@pytest.mark.parametrize(("documents", "capacity", "given"), [(2_000, 1_024, False), (7, 3, True), (2, 1, True)])
async def test_a_bulk_beyond_the_capacity_fills_it_in_order(sandbox, documents, capacity, given):
    options = {"queue_capacity": capacity} if given else {}
    deployment, fault, index, pipeline = await stalled(sandbox, number_of_allocations=4, **options)
    bulk = sandbox.background(sandbox.bulk(index, [f"text {n}" for n in range(documents)], pipeline))
    await deployment.await_node(number_of_pending_requests=capacity, rejected_execution_count=documents - capacity)
    assert not bulk.done()
    await sandbox.heal(fault)

    items = await bulk
    assert [item["_id"] for item in items] == [str(number) for number in range(documents)]
    assert [item["status"] for item in items[:capacity]] == [201] * capacity
    assert [error_of(item) for item in items[capacity:]] == [QUEUE_FULL] * (documents - capacity)
    await sandbox.client.indices.refresh(index=index)
    tokens = await sandbox.client.count(index=index, query={"exists": {"field": "tokens"}})
    assert (tokens["count"], (await sandbox.client.count(index=index))["count"]) == (capacity, capacity)
    await deployment.await_node(inference_count=capacity, number_of_pending_requests=0)


async def test_each_input_of_a_document_takes_a_slot(sandbox):
    deployment, fault, index, _ = await stalled(sandbox, queue_capacity=4)
    pairs = [{"input_field": name, "output_field": f"{name}_tokens"} for name in ("a", "b")]
    pipeline = await sandbox.pipeline(deployment.id, input_output=pairs)
    operations = []
    for number in range(3):
        operations += [{"index": {"_index": index, "_id": str(number)}}, {"a": "one", "b": "two"}]
    bulk = sandbox.background(sandbox.client.bulk(operations=operations, pipeline=pipeline))
    await deployment.await_node(number_of_pending_requests=4, rejected_execution_count=2)
    await sandbox.heal(fault)
    assert [item["index"]["status"] for item in (await bulk)["items"]] == [201, 201, 429]


async def test_the_node_tells_how_long_each_has_waited(sandbox, client):
    times = {"base_ms": 40, "ms_per_token": 0.5, "sigma": 0}
    deployment = await sandbox.deployment(times=times, number_of_allocations=2, local={"nodes": 2})
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    await sandbox.bulk(index, ["one"] * 12, pipeline)
    path = f"/_local/inferences/{deployment.id}"
    nodes = (await client.perform_request("GET", path, headers=JSON_HEADERS)).body["nodes"]
    assert sorted(nodes) == ["1", "2"]
    assert sum(node["taken"] for node in nodes.values()) == 12
    assert sum(node["worked_ms"] for node in nodes.values()) == 12 * 40.5
    for node in nodes.values():
        waits = node["last_waits_ms"]
        assert len(waits) == node["taken"]
        # Each has waited for those before it; the enqueueing of a bulk takes a moment itself.
        assert all(waited > 40.5 * place - 20 for place, waited in enumerate(waits))
        assert waits[0] < 40


async def test_the_queue_is_free_again_after_it_was_full(sandbox):
    deployment, fault, index, pipeline = await stalled(sandbox, queue_capacity=2)
    bulk = sandbox.background(sandbox.bulk(index, ["a", "b", "c"], pipeline))
    await deployment.await_pending(2)
    await sandbox.heal(fault)
    assert [item["status"] for item in await bulk] == [201, 201, 429]
    assert [item["status"] for item in await sandbox.bulk(index, ["a", "b"], pipeline)] == [200, 200]


async def test_a_search_overtakes_ingest(sandbox):
    deployment, fault, index, pipeline = await stalled(sandbox, times=BY_THE_WORD)
    bulk = sandbox.background(sandbox.bulk(index, [LONG, LONG], pipeline))
    await deployment.await_pending(2)
    search = sandbox.background(sandbox.client.search(index=index, query=query(deployment)))
    await deployment.await_pending(3)
    await sandbox.heal(fault)
    assert (await search)["timed_out"] is False
    assert not bulk.done()
    await deployment.await_pending(2)


async def test_a_search_is_refused_by_a_full_queue(sandbox):
    deployment, fault, index, pipeline = await stalled(sandbox, queue_capacity=2)
    bulk = sandbox.background(sandbox.bulk(index, ["a", "b"], pipeline))
    await deployment.await_pending(2)
    assert await refusal(sandbox.client.search(index=index, query=query(deployment))) == QUEUE_FULL
    assert await refusal(deployment.infer("text")) == QUEUE_FULL
    await sandbox.heal(fault)
    assert [item["status"] for item in await bulk] == [201, 201]


async def test_inside_a_class_the_first_is_served_first(sandbox):
    deployment, fault, *_ = await stalled(sandbox, times=BY_THE_WORD)
    requests = []
    for number, text in enumerate(["first", LONG, "third"], start=1):
        requests.append(sandbox.background(deployment.infer(text)))
        await deployment.await_pending(number)
    await sandbox.heal(fault)
    assert await requests[0] == [{"is_truncated": False, "embedding": {"first": 1.0}}]
    await deployment.await_pending(2)
    assert not requests[2].done()
    # What was computed and what was queued end differently: the second was taken before the third.
    await deployment.stop()
    assert [await refusal(request) for request in requests[1:]] == [STOPPING, SHUT_DOWN]


async def test_requests_for_a_stopped_deployment_end_each_in_its_way(sandbox):
    deployment, fault, index, pipeline = await stalled(sandbox, times=BY_THE_WORD)
    bulk = sandbox.background(sandbox.bulk(index, [LONG, "a", "b"], pipeline))
    await deployment.await_pending(3)
    await sandbox.heal(fault)
    await deployment.stop()
    assert [error_of(item) for item in await bulk] == [STOPPING, SHUT_DOWN, SHUT_DOWN]
    assert (await sandbox.client.count(index=index))["count"] == 0


async def test_what_a_client_that_is_gone_has_sent_is_computed(sandbox):
    deployment, fault, index, pipeline = await stalled(sandbox)
    bulk = sandbox.background(sandbox.bulk(index, ["a", "b", "c", "d", "e"], pipeline))
    await deployment.await_pending(5)
    bulk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await bulk
    assert (await deployment.node())["number_of_pending_requests"] == 5
    await sandbox.heal(fault)
    await deployment.await_node(number_of_pending_requests=0, inference_count=5)


async def test_a_search_waits_ten_seconds_and_ingest_for_ever(sandbox):
    deployment, fault, index, pipeline = await stalled(sandbox)
    bulk = sandbox.background(sandbox.bulk(index, ["a"], pipeline))
    await deployment.await_pending(1)
    search = sandbox.background(refusal(sandbox.client.search(index=index, query=query(deployment))))
    short = await refusal(deployment.infer("text", timeout="50ms"))
    assert short == (408, "status_exception", "timeout [50ms] waiting for inference result")
    assert await search == (408, "status_exception", "timeout [10s] waiting for inference result")
    assert not bulk.done()
    # What timed out leaves the queue only when an allocation comes to it.
    await deployment.await_node(number_of_pending_requests=3, timeout_count=2)
    await sandbox.heal(fault)
    assert [item["status"] for item in await bulk] == [201]
    await deployment.await_node(number_of_pending_requests=0, inference_count=1)


async def test_allocations_come_while_requests_wait(sandbox):
    deployment, fault, index, pipeline = await stalled(sandbox, times=BY_THE_WORD)
    blocked = sandbox.background(sandbox.bulk(index, [LONG, "a", "b"], pipeline))
    await deployment.await_pending(3)
    await sandbox.heal(fault)
    await deployment.scale(2)
    await deployment.await_node(number_of_allocations=2, inference_count=2, number_of_pending_requests=1)
    assert not blocked.done()


async def test_allocations_go_when_they_have_finished(sandbox):
    deployment = await sandbox.deployment(times=BY_THE_WORD, number_of_allocations=3)
    requests = [sandbox.background(deployment.infer(text)) for text in ("word " * 5, "word " * 5, LONG)]
    await deployment.await_pending(3)
    await deployment.scale(1)
    answers = await asyncio.gather(*requests[:2])
    assert [len(answer) for answer in answers] == [1, 1]
    await deployment.await_node(number_of_allocations=1, inference_count=2, number_of_pending_requests=1)
    waiting = sandbox.background(deployment.infer("word"))
    await deployment.await_pending(2)
    await deployment.scale(2)
    await waiting
    assert not requests[2].done()
