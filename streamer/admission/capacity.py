"""From a deployment's `_stats` to what admission needs to know. Pure, and total: every field may be absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

STARTED = "started"
DEFAULT_QUEUE_CAPACITY = 1024


class Capacity(msgspec.Struct, frozen=True):
    """A deployment at one moment, summed over its started nodes.

    `inference_ms` is the mean time of one inference without cache hits and queueing; `worked_ms` the time spent on
    all inferences since the processes started, so that two readings give the busy share.
    """

    state: str
    allocations: int
    nodes: int
    queue_capacity: int
    pending: int
    rejected: int
    inferences: int
    inference_ms: float | None
    worked_ms: float
    model: str = ""


def capacity_of(stats: Mapping[str, Any], deployment: str) -> Capacity | None:
    """Return the capacity of `deployment` from the answer of `_ml/trained_models/_stats`; None when it is not there.

    Field names and emission rules: `AssignmentStats` of Elasticsearch 9 prints counters only above zero, and a node
    that is not started without any.
    """
    for model in stats.get("trained_model_stats", ()):
        found = model.get("deployment_stats", {})
        if found.get("deployment_id") == deployment:
            return _capacity(found, found.get("model_id") or model.get("model_id", ""))
    return None


def busy_share(earlier: Capacity, later: Capacity, seconds: float) -> float | None:
    """Return the part of the allocations' time in use between two readings; None after a reset of the counters."""
    worked = later.worked_ms - earlier.worked_ms
    if worked < 0 or later.inferences < earlier.inferences or not later.allocations or seconds <= 0:
        return None
    return min(1.0, worked / 1_000 / seconds / later.allocations)


def _capacity(found: Mapping[str, Any], model: str) -> Capacity:
    nodes = [node for node in found.get("nodes", ()) if _is_started(node)]
    inferences = sum(node.get("inference_count", 0) for node in nodes)
    worked = sum(node.get("inference_count", 0) * node.get("average_inference_time_ms", 0.0) for node in nodes)
    return Capacity(
        state=found.get("state", ""),
        allocations=sum(node.get("number_of_allocations", 0) for node in nodes),
        nodes=len(nodes),
        queue_capacity=found.get("queue_capacity", DEFAULT_QUEUE_CAPACITY),
        pending=sum(node.get("number_of_pending_requests", 0) for node in nodes),
        rejected=sum(node.get("rejected_execution_count", 0) for node in nodes),
        inferences=inferences,
        inference_ms=_mean_time(nodes),
        worked_ms=worked,
        model=model,
    )


def _mean_time(nodes: list[Mapping[str, Any]]) -> float | None:
    name = "average_inference_time_ms_excluding_cache_hits"
    timed = [node for node in nodes if node.get("inference_count") and name in node]
    count = sum(node["inference_count"] for node in timed)
    return sum(node[name] * node["inference_count"] for node in timed) / count if count else None


def _is_started(node: Mapping[str, Any]) -> bool:
    return bool(node.get("routing_state", {}).get("routing_state") == STARTED)
