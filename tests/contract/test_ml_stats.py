"""`_stats` before, during and after load and a restart: which field is printed when, and what it says.

The rules are those of AssignmentStats in Elasticsearch 9.x.
"""

import os
import re
import signal
import time

import pytest

from tests.contract.children import encoders
from tests.contract.sandbox import error_of, refusal, until

MODEL = {"model_id", "model_size_stats", "pipeline_count"}
DEPLOYED = MODEL | {"inference_stats", "deployment_stats"}
NAMES = {"deployment_id", "model_id", "threads_per_allocation", "number_of_allocations", "queue_capacity"}
DEPLOYMENT = NAMES | {
    "state", "allocation_status", "cache_size", "priority", "start_time", "peak_throughput_per_minute", "nodes",
}  # fmt: skip
NOT_STARTED = {"node", "routing_state", "peak_throughput_per_minute", "throughput_last_minute"}
IDLE = NOT_STARTED | {
    "inference_count", "inference_cache_hit_count", "inference_cache_hit_count_last_minute",
    "number_of_pending_requests", "start_time", "threads_per_allocation", "number_of_allocations",
}  # fmt: skip
USED = IDLE | {
    "average_inference_time_ms", "average_inference_time_ms_excluding_cache_hits", "last_access",
}  # fmt: skip
A_LAST_MINUTE = {"average_inference_time_ms_last_minute"}

TEN_MS = {"base_ms": 10, "ms_per_token": 0, "sigma": 0}
WINDOW_S = 60


def only_node(stats):
    (node,) = stats["nodes"]
    return node


# --- before


async def test_a_model_that_is_not_deployed_has_no_deployment(client):
    answer = await client.ml.get_trained_models_stats(model_id=".elser_model_2_linux-x86_64")
    assert answer["count"] == 1
    (entry,) = answer["trained_model_stats"]
    assert entry.keys() == MODEL
    assert entry["model_size_stats"] == {
        "model_size_bytes": 274_756_282, "required_native_memory_bytes": 2_101_346_304,
    }  # fmt: skip


async def test_an_unknown_id_is_a_404_and_a_pattern_that_matches_nothing_is_empty(client):
    status, kind, reason = await refusal(client.ml.get_trained_models_stats(model_id="no-such-id"))
    assert (status, kind) == (404, "resource_not_found_exception")
    assert reason.startswith("No known trained model with model_id [no-such-id]")
    answer = await client.ml.get_trained_models_stats(model_id="no-such-*")
    assert answer.body == {"count": 0, "trained_model_stats": []}
    assert (await refusal(client.ml.get_trained_models_stats(model_id="no-such-*", allow_no_match=False)))[0] == 404


async def test_a_node_that_is_starting_prints_next_to_nothing(sandbox, stack):
    index, others = await sandbox.index(), encoders(stack.elasticsearch.pid)
    launch = sandbox.background(sandbox.launch(".elser_model_2", wait_for="starting"))
    starting = await until(lambda: newcomer(stack.elasticsearch.pid, others), "a new process")
    os.kill(starting, signal.SIGSTOP)
    deployment = await launch
    stats = await deployment.stats()
    assert stats.keys() == DEPLOYMENT
    assert stats["state"] == "starting"
    assert stats["allocation_status"] == {"allocation_count": 0, "target_allocation_count": 1, "state": "starting"}
    node = only_node(stats)
    assert node.keys() == NOT_STARTED
    assert node["routing_state"] == {"routing_state": "starting"}
    assert (node["peak_throughput_per_minute"], node["throughput_last_minute"]) == (0, 0)
    (item,) = await sandbox.bulk(index, ["text"], await sandbox.pipeline(deployment.id))
    refused = (409, "status_exception", f"Trained model deployment [{deployment.id}] is not allocated to any nodes")
    assert error_of(item) == refused
    os.kill(starting, signal.SIGCONT)
    await deployment.await_state("started")
    assert only_node(await deployment.stats()).keys() == IDLE


async def newcomer(node_pid, known):
    return next(iter(encoders(node_pid) - known), None)


async def test_an_idle_deployment_prints_its_settings_and_no_counter(sandbox):
    deployment = await sandbox.deployment(number_of_allocations=3, queue_capacity=7, threads_per_allocation=2)
    entry = await deployment.entry()
    assert entry.keys() == DEPLOYED
    stats = entry["deployment_stats"]
    assert stats.keys() == DEPLOYMENT
    assert {name: stats[name] for name in NAMES | {"cache_size", "priority", "state"}} == {
        "deployment_id": deployment.id, "model_id": "synthetic", "threads_per_allocation": 2,
        "number_of_allocations": 3, "queue_capacity": 7, "cache_size": "0b", "priority": "normal", "state": "started",
    }  # fmt: skip
    # The spec speaks of nodes; TrainedModelAssignment#calculateAllocationStatus counts allocations.
    whole = {"allocation_count": 3, "target_allocation_count": 3, "state": "fully_allocated"}
    assert stats["allocation_status"] == whole
    node = only_node(stats)
    assert node.keys() == IDLE
    assert node["routing_state"] == {"routing_state": "started"}
    assert (node["number_of_allocations"], node["threads_per_allocation"]) == (3, 2)
    ((_, described),) = node["node"].items()
    assert {"name", "ephemeral_id", "transport_address", "external_id", "attributes", "roles", "version"} <= set(
        described
    )
    zero = {name: node[name] for name in IDLE if name.endswith(("_count", "_requests", "_minute"))}
    assert set(zero.values()) == {0}


async def test_human_times_come_on_demand(sandbox):
    deployment = await sandbox.deployment()
    answer = await sandbox.client.ml.get_trained_models_stats(model_id=deployment.id, human=True)
    stats = answer["trained_model_stats"][0]["deployment_stats"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", stats["start_time_string"])


# --- during and after load


@pytest.fixture(scope="module")
def used_for_a_minute(elastic):
    """A deployment whose first window has four inferences, one of them out of the cache."""
    name = "used-for-a-minute"
    elastic.synthetic(name, **TEN_MS)
    elastic.start_deployment(name, cache_size="1mb")
    elastic.attach_endpoint(f"{name}-endpoint", name)
    elastic.tokens(f"{name}-endpoint", ["a"])
    elastic.tokens(f"{name}-endpoint", ["a", "b", "c"])
    yield name
    elastic.stop_deployment(name)
    elastic.remove(f"/_inference/sparse_embedding/{name}-endpoint?force=true")


async def test_load_shows_in_counters_and_times(sandbox, used_for_a_minute):
    deployment = await sandbox.deployment(times=TEN_MS)
    began = time.time() * 1000
    await deployment.infer("a", "b", "c", "d", "e")
    stats = await deployment.stats()
    assert stats.keys() == DEPLOYMENT | {"inference_count"}
    node = only_node(stats)
    assert node.keys() == USED
    assert (stats["inference_count"], node["inference_count"]) == (5, 5)
    assert node["average_inference_time_ms"] == node["average_inference_time_ms_excluding_cache_hits"] == 10.0
    assert began - 1 <= node["last_access"] <= time.time() * 1000 + 1
    assert (node["throughput_last_minute"], node["peak_throughput_per_minute"]) == (0, 0)


async def test_refusals_and_time_outs_show_when_there_are_some(sandbox):
    deployment = await sandbox.deployment(queue_capacity=1)
    fault = await sandbox.fault("stall", deployment=deployment.id)
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    bulk = sandbox.background(sandbox.bulk(index, ["a", "b", "c"], pipeline))
    await deployment.await_node(number_of_pending_requests=1, rejected_execution_count=2)
    await sandbox.heal(fault)
    await bulk
    fault = await sandbox.fault("stall", deployment=deployment.id)
    await refusal(deployment.infer("text", timeout="20ms"))
    await sandbox.heal(fault)

    entry = await deployment.entry()
    stats, node = entry["deployment_stats"], only_node(entry["deployment_stats"])
    assert stats.keys() == DEPLOYMENT | {"inference_count", "rejected_execution_count", "timeout_count"}
    assert node.keys() == USED | {"rejected_execution_count", "timeout_count"}
    for place in (stats, node):
        counted = (place["inference_count"], place["rejected_execution_count"], place["timeout_count"])
        assert counted == (1, 2, 1)
    overall = entry["inference_stats"]
    assert (overall["inference_count"], overall["failure_count"]) == (1, 3)


async def test_pipelines_are_counted_with_what_they_did(sandbox):
    deployment = await sandbox.deployment()
    assert (await deployment.entry())["pipeline_count"] == 0
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    await sandbox.bulk(index, ["a", "b"], pipeline)
    entry = await deployment.entry()
    assert entry.keys() == DEPLOYED | {"ingest"}
    assert entry["pipeline_count"] == 1
    (processor,) = entry["ingest"]["pipelines"][pipeline]["processors"]
    stats = processor["inference"]["stats"]
    assert (stats["count"], stats["failed"], stats["current"]) == (2, 0, 0)
    assert entry["ingest"]["total"]["count"] == 2


async def test_cache_hits_are_inferences_that_cost_nothing(sandbox):
    deployment = await sandbox.deployment(times=TEN_MS, cache_size="1mb")
    await deployment.infer("same")
    await deployment.infer("same", "same", "other")
    node = await deployment.node()
    assert (node["inference_count"], node["inference_cache_hit_count"]) == (4, 2)
    assert node["average_inference_time_ms"] == 5.0
    assert node["average_inference_time_ms_excluding_cache_hits"] == 10.0


async def test_the_encoder_has_a_cache_of_its_size_unless_told_otherwise(sandbox):
    deployment = await sandbox.deployment(".elser_model_2", cache_size=None)
    assert (await deployment.stats())["cache_size"] == "262mb"
    await deployment.infer("same")
    await deployment.infer("same")
    assert (await deployment.node())["inference_cache_hit_count"] == 1


async def test_the_encoders_times_are_its_own_without_the_wait(sandbox):
    deployment = await sandbox.deployment(".elser_model_2")
    began = time.perf_counter()
    for number in range(5):
        await deployment.infer(f"{number} soldiers cross the desert to find a well " * 20)
    wall_ms = (time.perf_counter() - began) * 1000
    alone = (await deployment.node())["average_inference_time_ms"]
    assert 0 < alone <= wall_ms / 5

    fault = await sandbox.fault("stall", deployment=deployment.id)
    waiting = sandbox.background(deployment.infer("short"))
    await deployment.await_pending(1)
    waited = time.perf_counter()
    await until(lambda: passed(waited, wall_ms / 1000), "a wait that is longer than all inferences")
    await sandbox.heal(fault)
    await waiting
    node = await deployment.node()
    # The average is over all six: the wait would have to show.
    assert node["inference_count"] == 6
    assert node["average_inference_time_ms"] * 6 - alone * 5 < wall_ms


async def passed(since, seconds):
    return time.perf_counter() - since > seconds


async def test_the_last_minute_is_the_previous_window_of_the_process(client, used_for_a_minute):
    async def node():
        answer = await client.ml.get_trained_models_stats(model_id=used_for_a_minute)
        return only_node(answer["trained_model_stats"][0]["deployment_stats"])

    async def window_is_over():
        return (found := await node())["throughput_last_minute"] and found

    found = await until(window_is_over, "the end of the first window", timeout_s=2 * WINDOW_S)
    assert time.time() >= found["start_time"] / 1000 + WINDOW_S
    assert found.keys() == USED | A_LAST_MINUTE
    assert (found["throughput_last_minute"], found["peak_throughput_per_minute"]) == (4, 4)
    assert found["inference_cache_hit_count_last_minute"] == 1
    assert found["average_inference_time_ms_last_minute"] == 7.5
