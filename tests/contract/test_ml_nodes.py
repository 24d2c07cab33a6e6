"""Several ML nodes: allocations spread over them, a queue on each, a draw for every document, and the loss of one.

The draw is that of TrainedModelAssignment#selectRandomNodesWeighedOnAllocations in Elasticsearch.
"""

import asyncio

import pytest

from tests.contract.children import encoders
from tests.contract.sandbox import BY_THE_WORD, JSON_HEADERS, LONG, error_of, refusal, until

QUEUE_FULL = (429, "es_rejected_execution_exception", "inference process queue is full. Unable to execute command")
SHUT_DOWN = (429, "es_rejected_execution_exception", "inference process worker service has shutdown")
NODE_LOST = (
    500,
    "status_exception",
    "Error in inference process: [inference native process died unexpectedly with failure [the ML node was killed]]",
)


def of_each(nodes, name):
    return [node[name] for node in nodes]


@pytest.mark.parametrize(
    ("allocations", "nodes", "spread"), [(5, 3, [2, 2, 1]), (8, 8, [1] * 8), (2, 4, [1, 1]), (3, 1, [3])]
)
async def test_allocations_are_spread_as_evenly_as_possible(sandbox, allocations, nodes, spread):
    deployment = await sandbox.launch(number_of_allocations=allocations, local={"nodes": nodes})
    stats = await deployment.stats()
    found = await deployment.nodes()
    assert of_each(found, "number_of_allocations") == spread
    assert len({next(iter(node["node"])) for node in found}) == len(spread)
    assert len({next(iter(node["node"].values()))["name"] for node in found}) == len(spread)
    assert stats["number_of_allocations"] == allocations
    whole = {"allocation_count": allocations, "target_allocation_count": allocations, "state": "fully_allocated"}
    assert stats["allocation_status"] == whole


async def test_every_node_has_a_queue_of_its_own(sandbox):
    deployment = await sandbox.launch(number_of_allocations=3, queue_capacity=2, local={"nodes": 3})
    fault = await sandbox.fault("stall", deployment=deployment.id)
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    bulk = sandbox.background(sandbox.bulk(index, ["text"] * 60, pipeline))

    async def refused():
        return (await deployment.stats()).get("rejected_execution_count") == 54

    await until(refused, "54 refusals")
    nodes = await deployment.nodes()
    assert of_each(nodes, "number_of_pending_requests") == [2, 2, 2]
    assert sum(of_each(nodes, "rejected_execution_count")) == 54
    await sandbox.heal(fault)
    items = await bulk
    assert [item["status"] for item in items].count(201) == 6
    assert {error_of(item) for item in items if item["status"] != 201} == {QUEUE_FULL}


async def test_the_draw_is_weighted_by_allocations(sandbox):
    deployment = await sandbox.launch(number_of_allocations=4, local={"nodes": 3})
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    await sandbox.bulk(index, ["text"] * 800, pipeline)
    counts = of_each(await deployment.nodes(), "inference_count")
    assert sum(counts) == (await deployment.stats())["inference_count"] == 800
    # Five standard deviations of a binomial with 800 draws: 14 at a half, 12 at a quarter.
    assert abs(counts[0] - 400) < 70
    assert max(abs(counts[1] - 200), abs(counts[2] - 200)) < 60


async def test_a_node_that_is_killed_takes_what_it_had_and_leaves_the_others_alone(sandbox):
    deployment = await sandbox.deployment(times=BY_THE_WORD, number_of_allocations=2, local={"nodes": 2})
    requests = [sandbox.background(deployment.infer(LONG)) for _ in range(24)]

    async def all_there():
        return sum(of_each(await deployment.nodes(), "number_of_pending_requests")) == 24

    await until(all_there, "all requests at the nodes")
    kept, lost = of_each(await deployment.nodes(), "number_of_pending_requests")
    fault = await sandbox.fault("kill_node", node=2, deployment=deployment.id)
    done, pending = await asyncio.wait(requests, timeout=1)
    failures = [await refusal(request) for request in done]
    assert (failures.count(NODE_LOST), failures.count(SHUT_DOWN)) == (1, lost - 1)
    assert len(pending) == kept

    stats = await deployment.stats()
    assert stats["state"] == "started"
    assert stats["allocation_status"] == {"allocation_count": 1, "target_allocation_count": 2, "state": "started"}
    (left,) = await deployment.nodes()
    assert (left["number_of_pending_requests"], left["number_of_allocations"]) == (kept, 1)
    more = [sandbox.background(deployment.infer(LONG)) for _ in range(8)]
    await deployment.await_pending(kept + 8)

    await sandbox.heal(fault)
    await until(lambda: fully_allocated(deployment), "the node to come back")
    _, back = await deployment.nodes()
    assert (back["inference_count"], back["number_of_pending_requests"], back["number_of_allocations"]) == (0, 0, 1)
    assert not any(request.done() for request in more)


async def fully_allocated(deployment):
    return (await deployment.stats())["allocation_status"]["state"] == "fully_allocated"


async def test_without_a_node_nothing_is_allocated_until_it_is_back(sandbox):
    deployment = await sandbox.launch(number_of_allocations=2, local={"nodes": 2})
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    fault = await sandbox.fault("kill_node", node=1, deployment=deployment.id)
    assert [item["status"] for item in await sandbox.bulk(index, ["a", "b"], pipeline)] == [201, 201]
    await sandbox.fault("kill_node", node=2, deployment=deployment.id, seconds=1)
    stats = await deployment.stats()
    assert (stats["state"], stats["nodes"]) == ("starting", [])
    (item,) = await sandbox.bulk(index, ["a"], pipeline)
    reason = f"Trained model deployment [{deployment.id}] is not allocated to any nodes"
    assert error_of(item) == (409, "status_exception", reason)
    await deployment.await_state("started")
    assert (await deployment.stats())["allocation_status"]["allocation_count"] == 1
    await sandbox.heal(fault)
    await until(lambda: fully_allocated(deployment), "both nodes")


async def test_the_processes_of_a_killed_node_are_gone_and_come_back_new(sandbox, stack):
    others = encoders(stack.elasticsearch.pid)
    deployment = await sandbox.deployment(".elser_model_2", number_of_allocations=2, local={"nodes": 2})
    own = encoders(stack.elasticsearch.pid) - others
    assert len(own) == 2
    fault = await sandbox.fault("kill_node", node=1, deployment=deployment.id)
    assert len(encoders(stack.elasticsearch.pid) & own) == 1
    assert await deployment.infer("text")
    await sandbox.heal(fault)
    await until(lambda: fully_allocated(deployment), "the node to come back")
    now = encoders(stack.elasticsearch.pid) - others
    assert (len(now), len(now & own)) == (2, 1)


async def test_a_node_that_loses_its_allocations_finishes_what_it_has(sandbox):
    deployment = await sandbox.deployment(times=BY_THE_WORD, number_of_allocations=2, local={"nodes": 2})
    requests = [sandbox.background(deployment.infer("word word")) for _ in range(12)]

    async def all_there():
        return sum(of_each(await deployment.nodes(), "number_of_pending_requests")) >= 10

    await until(all_there, "the requests at the nodes")
    await deployment.scale(1)
    assert len(await deployment.nodes()) == 1
    answers = await asyncio.gather(*requests)
    assert [len(answer) for answer in answers] == [1] * 12


async def test_a_node_that_is_killed_while_it_finishes_what_it_has_takes_that_with_it(sandbox):
    deployment = await sandbox.deployment(times=BY_THE_WORD, number_of_allocations=2, local={"nodes": 2})
    requests = [sandbox.background(deployment.infer(LONG)) for _ in range(24)]

    async def all_there():
        return sum(of_each(await deployment.nodes(), "number_of_pending_requests")) == 24

    await until(all_there, "all requests at the nodes")
    kept, leaving = of_each(await deployment.nodes(), "number_of_pending_requests")
    await deployment.scale(1)
    fault = await sandbox.fault("kill_node", node=2, deployment=deployment.id)
    done, pending = await asyncio.wait(requests, timeout=1)
    failures = [await refusal(request) for request in done]
    assert (failures.count(NODE_LOST), failures.count(SHUT_DOWN), len(pending)) == (1, leaving - 1, kept)
    await sandbox.heal(fault)
    assert len(await deployment.nodes()) == 1


@pytest.mark.parametrize("wrong", [{"nodes": 0}, {"nodes": "two"}, {"racks": 1}, {"scale_to_zero_ms": 0}])
async def test_options_that_make_no_sense_are_refused(sandbox, wrong):
    deployment = await sandbox.launch()
    assert (await refusal(deployment.local(**wrong)))[:2] == (400, "illegal_argument_exception")
    shown = await sandbox.client.perform_request("GET", f"/_local/deployments/{deployment.id}", headers=JSON_HEADERS)
    assert shown["nodes"] == 1
