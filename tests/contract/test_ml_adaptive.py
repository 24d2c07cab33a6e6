"""Adaptive allocations: what they follow, where they stop, and what a request gets that finds none.

The rules are those of AdaptiveAllocationsScaler, AdaptiveAllocationsScalerService and InferenceWaitForAllocation in
Elasticsearch's ML plugin; ticks are shorter here.
"""

import time

import pytest

from tests.contract.sandbox import JSON_HEADERS, error_of, refusal, until

TICK_MS = 300
QUICK = {"base_ms": 10, "ms_per_token": 0, "sigma": 0}
TICKING = {"adaptive_interval_ms": TICK_MS, "scale_up_cooldown_ms": 0}
DAY_MS, MINUTE_MS = 86_400_000, 60_000
VALIDATION = "action_request_validation_exception"


def between(least=None, most=None):
    limits = {"min_number_of_allocations": least, "max_number_of_allocations": most}
    return {"enabled": True} | {name: value for name, value in limits.items() if value is not None}


async def adaptive(sandbox, least=None, most=None, **local):
    """Return a synthetic deployment that adapts, an index and a pipeline."""
    options = {"adaptive_allocations": between(least, most), "queue_capacity": local.pop("queue_capacity", 1024)}
    deployment = await sandbox.deployment(times=QUICK, local=TICKING | local, **options)
    return deployment, await sandbox.index(), await sandbox.pipeline(deployment.id)


async def reaches(deployment, allocations):
    """Wait until so many allocations are wanted and there."""

    async def reached():
        stats = await deployment.stats()
        there = sum(node.get("number_of_allocations", 0) for node in stats["nodes"])
        return (stats["number_of_allocations"], there) == (allocations, allocations)

    await until(reached, f"{allocations} allocations")


async def ticked(deployment):
    """Wait until a tick has measured inferences: the filter knows how long one takes."""
    for _ in range(4):
        began = time.monotonic()
        await deployment.infer("text")
        await until(lambda began=began: passed(began, TICK_MS / 1000), "a tick")


async def passed(since, seconds):
    return time.monotonic() - since > seconds


# --- what they follow


async def test_they_grow_with_what_waits_up_to_the_maximum_and_shrink_to_the_minimum(sandbox):
    deployment, index, pipeline = await adaptive(sandbox, 1, 3, nodes=2, scale_up_cooldown_ms=3000)
    await ticked(deployment)
    bulk = sandbox.background(sandbox.bulk(index, ["text"] * 900, pipeline))
    await reaches(deployment, 3)
    grown = time.monotonic()
    assert [node["number_of_allocations"] for node in await deployment.nodes()] == [2, 1]
    assert {item["status"] for item in await bulk} == {201}
    await reaches(deployment, 1)
    # Not before the cooldown is over; the poll may have seen the growth late.
    assert time.monotonic() - grown > 2


async def test_refused_requests_count_as_demand(sandbox):
    deployment, index, pipeline = await adaptive(sandbox, 1, 3, queue_capacity=1, scale_up_cooldown_ms=MINUTE_MS)
    await ticked(deployment)
    fault = await sandbox.fault("stall", deployment=deployment.id)
    bulk = sandbox.background(sandbox.bulk(index, ["text"] * 300, pipeline))
    # One waits, which is no load for inferences of 10 ms.
    await reaches(deployment, 3)
    await sandbox.heal(fault)
    assert [item["status"] for item in await bulk].count(429) > 200


async def test_little_load_does_not_make_them_grow(sandbox):
    deployment, *_ = await adaptive(sandbox, 1, 3)
    await ticked(deployment)
    await ticked(deployment)
    stats = await deployment.stats()
    assert (stats["number_of_allocations"], stats["inference_count"]) == (1, 8)


async def test_a_minimum_is_where_they_start(sandbox):
    deployment = await sandbox.launch(adaptive_allocations=between(2, 4))
    stats = await deployment.stats()
    assert stats["number_of_allocations"] == 2
    assert stats["adaptive_allocations"] == between(2, 4)
    assert (await deployment.node())["number_of_allocations"] == 2


# --- update


async def test_an_update_changes_them_and_a_number_is_refused_while_they_adapt(sandbox):
    deployment, *_ = await adaptive(sandbox, 1, 2)
    assert (await refusal(deployment.scale(2)))[:2] == (400, "validation_exception")
    update = sandbox.client.ml.update_trained_model_deployment
    await update(model_id=deployment.id, adaptive_allocations={"max_number_of_allocations": 5})
    assert (await deployment.stats())["adaptive_allocations"] == between(1, 5)
    wrong = update(model_id=deployment.id, adaptive_allocations={"max_number_of_allocations": 0})
    assert (await refusal(wrong))[:2] == (400, VALIDATION)
    await update(model_id=deployment.id, adaptive_allocations={"enabled": False})
    await deployment.scale(2)
    await reaches(deployment, 2)
    assert (await deployment.stats())["adaptive_allocations"]["enabled"] is False


async def test_a_deployment_can_begin_to_adapt(sandbox):
    deployment = await sandbox.launch(local=TICKING, number_of_allocations=1)
    assert "adaptive_allocations" not in await deployment.stats()
    update = sandbox.client.ml.update_trained_model_deployment
    await update(model_id=deployment.id, adaptive_allocations=between(2, 3))
    await reaches(deployment, 2)


# --- zero


async def test_without_a_minimum_and_without_requests_they_go_to_zero_and_come_back(sandbox):
    quickly = {"scale_to_zero_ms": 2 * TICK_MS}
    kept, *_ = await adaptive(sandbox, 1, 2, **quickly)
    deployment, index, pipeline = await adaptive(sandbox, 0, 2, **quickly)
    await reaches(deployment, 0)
    stats = await deployment.stats()
    assert (stats["state"], stats["nodes"], stats["number_of_allocations"]) == ("started", [], 0)
    assert (await kept.stats())["number_of_allocations"] == 1
    assert [item["status"] for item in await sandbox.bulk(index, ["a", "b", "c"], pipeline)] == [201] * 3
    await reaches(deployment, 0)
    assert await deployment.infer("text")


async def without_a_node(sandbox):
    """Return a deployment that waits for its node, index, pipeline and the fault that keeps the node away."""
    deployment, index, pipeline = await adaptive(sandbox, 0, 2)
    fault = await sandbox.fault("kill_node", node=1, deployment=deployment.id)
    return deployment, index, pipeline, fault


async def test_99_requests_wait_for_an_allocation_and_no_more(sandbox):
    deployment, index, pipeline, fault = await without_a_node(sandbox)
    bulk = sandbox.background(sandbox.bulk(index, ["text"] * 120, pipeline))
    reason = (
        f"Rejected inference request waiting for an allocation of deployment [{deployment.id}]. "
        "Too many pending requests"
    )

    async def refused():
        return (await deployment.entry())["ingest"]["total"]["failed"] == 21

    await until(refused, "21 refusals")
    assert not bulk.done()
    assert await refusal(deployment.infer("text")) == (429, "status_exception", reason)
    await sandbox.heal(fault)
    items = await bulk
    assert [item["status"] for item in items[:99]] == [201] * 99
    assert [error_of(item) for item in items[99:]] == [(429, "status_exception", reason)] * 21


async def test_a_request_of_the_api_waits_as_long_as_it_said_and_ingest_for_ever(sandbox):
    deployment, index, pipeline, fault = await without_a_node(sandbox)
    bulk = sandbox.background(sandbox.bulk(index, ["text"], pipeline))
    status, kind, reason = await refusal(deployment.infer("text", timeout="200ms"))
    assert (status, kind) == (408, "model_deployment_timeout_exception")
    assert reason == (
        f"Timed out after [200ms] waiting for trained model deployment [{deployment.id}] to start. "
        "Use the trained model stats API to track the state of the deployment and try again once it has started."
    )
    assert not bulk.done()
    await sandbox.heal(fault)
    assert [item["status"] for item in await bulk] == [201]


async def test_who_waits_for_a_deployment_that_is_removed_is_told(sandbox):
    deployment, index, pipeline, _ = await without_a_node(sandbox)
    bulk = sandbox.background(sandbox.bulk(index, ["text"], pipeline))
    assert (await refusal(deployment.infer("text", timeout="200ms")))[0] == 408
    await deployment.stop()
    reason = f"[{deployment.id}] Error waiting for a model allocation, model assignment has been removed"
    assert [error_of(item) for item in await bulk] == [(409, "status_exception", reason)]


# --- endpoints and settings


async def test_an_endpoint_has_a_deployment_that_adapts(sandbox):
    name = sandbox.new("/_inference/sparse_embedding/{}?force=true")
    settings = {"model_id": "synthetic", "num_threads": 1, "adaptive_allocations": between(1, 4)}
    body = {"service": "elasticsearch", "service_settings": settings}
    client = sandbox.client
    await client.inference.put(inference_id=name, task_type="sparse_embedding", inference_config=body)
    (shown,) = (await client.inference.get(inference_id=name))["endpoints"]
    assert shown["service_settings"] == settings
    (entry,) = (await client.ml.get_trained_models_stats(model_id=name))["trained_model_stats"]
    assert entry["deployment_stats"]["adaptive_allocations"] == between(1, 4)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "does not contain one of the required settings [num_allocations, adaptive_allocations]"),
        ({"adaptive_allocations": between(5, 4)}, "min_number_of_allocations"),
    ],
)
async def test_an_endpoint_without_sensible_allocations_is_refused(sandbox, settings, problem):
    name = sandbox.new("/_inference/sparse_embedding/{}?force=true")
    given = {"model_id": "synthetic", "num_threads": 1} | settings
    body = {"service": "elasticsearch", "service_settings": given}
    put = sandbox.client.inference.put(inference_id=name, task_type="sparse_embedding", inference_config=body)
    status, _, reason = await refusal(put)
    assert status == 400
    assert problem in reason


async def test_the_defaults_are_those_of_elasticsearch(sandbox):
    path = f"/_local/deployments/{sandbox.name}"
    shown = await sandbox.client.perform_request("GET", path, headers=JSON_HEADERS)
    assert shown.body == {
        "nodes": 1, "adaptive_interval_ms": 10_000, "scale_to_zero_ms": DAY_MS, "scale_up_cooldown_ms": 5 * MINUTE_MS,
    }  # fmt: skip
