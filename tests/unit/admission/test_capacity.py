"""From `_stats` to capacity: every field may be absent, by the emission rules of AssignmentStats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.admission.capacity import Capacity, busy_share, capacity_of

MODEL = ".elser_model_2"
NODE = {
    "node": {"7Xk": {"name": "ml-0", "roles": ["ml"]}},
    "routing_state": {"routing_state": "started"},
    "inference_count": 100,
    "average_inference_time_ms": 350.0,
    "average_inference_time_ms_excluding_cache_hits": 360.0,
    "number_of_pending_requests": 47,
    "rejected_execution_count": 12,
    "number_of_allocations": 4,
    "peak_throughput_per_minute": 0,
    "throughput_last_minute": 0,
}
# A node that is not started prints no more than this.
STARTING = {
    "node": {"9Zk": {}},
    "routing_state": {"routing_state": "starting", "reason": ""},
    "peak_throughput_per_minute": 0,
    "throughput_last_minute": 0,
}
# Counters are printed above zero only; times only after the first inference.
IDLE = {
    "node": {"8Yk": {}},
    "routing_state": {"routing_state": "started"},
    "number_of_pending_requests": 0,
    "number_of_allocations": 2,
    "peak_throughput_per_minute": 0,
    "throughput_last_minute": 0,
}


def stats(*nodes, **fields):
    found = {"deployment_id": "for_ingest", "state": "started", "queue_capacity": 1024, "nodes": list(nodes)} | fields
    return {"count": 1, "trained_model_stats": [{"model_id": MODEL, "deployment_stats": found}]}


def of(*nodes, **fields):
    return capacity_of(stats(*nodes, **fields), "for_ingest")


def test_a_node_at_work():
    assert of(NODE) == Capacity("started", 4, 1, 1024, 47, 12, 100, 360.0, 35_000.0, MODEL)


def test_a_node_that_was_never_asked_has_no_times():
    assert of(IDLE) == Capacity("started", 2, 1, 1024, 0, 0, 0, None, 0.0, MODEL)


def test_nodes_are_summed_and_times_weighted():
    slow = NODE | {"inference_count": 300, "average_inference_time_ms_excluding_cache_hits": 400.0}
    found = of(NODE, slow, IDLE)
    assert (found.nodes, found.allocations, found.pending, found.rejected, found.inferences) == (3, 10, 94, 24, 400)
    assert found.inference_ms == pytest.approx(390.0)
    assert found.worked_ms == pytest.approx(140_000.0)


@pytest.mark.parametrize("state", ["starting", "stopping", "stopped", "failed"])
def test_only_started_nodes_count(state):
    other = NODE | {"routing_state": {"routing_state": state}}
    assert of(NODE, other, STARTING) == of(NODE)
    assert (of(other).nodes, of(other).allocations) == (0, 0)


@pytest.mark.parametrize("nodes", [[], [STARTING]])
def test_scaled_to_zero_or_starting(nodes):
    assert of(*nodes, state="starting") == Capacity("starting", 0, 0, 1024, 0, 0, 0, None, 0.0, MODEL)


def test_several_deployments_of_one_model_are_told_apart():
    both = stats(NODE)
    both["trained_model_stats"].insert(0, stats(IDLE, deployment_id="for_search")["trained_model_stats"][0])
    assert capacity_of(both, "for_ingest").allocations == 4
    assert capacity_of(both, "for_search").allocations == 2


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"count": 0, "trained_model_stats": []},
        {"trained_model_stats": [{"model_id": "m"}]},
        {"trained_model_stats": [{"model_id": "for_ingest", "deployment_stats": {"deployment_id": "other"}}]},
    ],
)
def test_a_deployment_that_is_not_there(found):
    assert capacity_of(found, "for_ingest") is None


def test_without_a_printed_queue_the_default_holds():
    assert (
        capacity_of({"trained_model_stats": [{"deployment_stats": {"deployment_id": "d"}}]}, "d").queue_capacity == 1024
    )


@given(st.sets(st.sampled_from(sorted(NODE))), st.sets(st.sampled_from(["state", "queue_capacity", "nodes"])))
def test_any_field_may_be_absent(from_node, from_deployment):
    found = stats({name: value for name, value in NODE.items() if name not in from_node})
    deployment = found["trained_model_stats"][0]["deployment_stats"]
    for name in from_deployment:
        del deployment[name]
    capacity = capacity_of(found, "for_ingest")
    gone = "routing_state" in from_node or "nodes" in from_deployment
    assert capacity.nodes == (0 if gone else 1)
    assert capacity.pending == (0 if gone or "number_of_pending_requests" in from_node else 47)


def at(inferences, milliseconds, allocations=2):
    return Capacity("started", allocations, 1, 1024, 0, 0, inferences, None, milliseconds)


def test_busy_share():
    assert busy_share(at(10, 1_000), at(20, 3_000), seconds=2.0) == pytest.approx(0.5)
    assert busy_share(at(10, 1_000), at(10, 1_000), seconds=2.0) == 0.0
    assert busy_share(at(10, 1_000), at(90, 99_000), seconds=2.0) == 1.0


@pytest.mark.parametrize(
    ("earlier", "later", "seconds"),
    [
        (at(10, 1_000), at(3, 2_000), 2.0),
        (at(10, 1_000), at(12, 900), 2.0),
        (at(10, 1_000), at(0, 0), 2.0),
        (at(0, 0), at(9, 900, allocations=0), 2.0),
        (at(0, 0), at(9, 900), 0.0),
    ],
)
def test_after_a_reset_or_without_allocations_nobody_knows(earlier, later, seconds):
    assert busy_share(earlier, later, seconds) is None
