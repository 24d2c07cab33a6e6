"""A deployment's `_stats` as Elasticsearch 9 prints them: counters only above zero, a node that starts without any.

Source of shape and rules: AssignmentStats and GetTrainedModelsStatsAction of Elasticsearch, as the contract tests of
the local stack hold them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.scenarios.node import DEPLOYMENT, Counters, Node

if TYPE_CHECKING:
    from tests.scenarios.server import Server

Json = dict[str, Any]
MODEL = "synthetic"
EPOCH_MS = 1_763_800_000_000
MINUTE_S = 60.0


def stats_of(server: Server) -> Json:
    """Return the answer of `GET _ml/trained_models/{deployment}/_stats`."""
    counters = [node.counters for node in server.nodes if not node.starting]
    entry: Json = {"model_id": MODEL, "pipeline_count": 1, "inference_stats": _totals(server, counters)}
    if server.deployed:
        entry["deployment_stats"] = _deployment(server, counters)
    return {"count": 1, "trained_model_stats": [entry]}


def _totals(server: Server, counters: list[Counters]) -> Json:
    failed = sum(one.errors + one.rejected for one in counters)
    return {
        "failure_count": failed,
        "inference_count": sum(one.inferences for one in counters),
        "cache_miss_count": 0,
        "missing_all_fields_count": 0,
        "timestamp": EPOCH_MS + int(server.now * 1_000),
    }


def _deployment(server: Server, counters: list[Counters]) -> Json:
    live = server.live()
    found: Json = {
        "deployment_id": DEPLOYMENT,
        "model_id": MODEL,
        "threads_per_allocation": 1,
        "number_of_allocations": sum(node.allocations for node in server.nodes),
    }
    if (adaptive := server.case.server.adaptive) is not None:
        found["adaptive_allocations"] = {
            "enabled": True,
            "min_number_of_allocations": adaptive.least,
            "max_number_of_allocations": adaptive.most,
        }
    found |= {
        "queue_capacity": server.case.server.queue_capacity,
        "state": "started" if live else "starting",
        "allocation_status": {
            "allocation_count": len(live),
            "target_allocation_count": len(server.nodes),
            "state": "fully_allocated" if len(live) == len(server.nodes) else "starting",
        },
        "cache_size": "0b",
        "priority": "normal",
        "start_time": EPOCH_MS,
    }
    sums = {"rejected_execution_count": sum(one.rejected for one in counters)}
    sums["inference_count"] = sum(one.inferences for one in counters)
    found |= {name: value for name, value in sums.items() if value}
    found["peak_throughput_per_minute"] = sum(_peak(one, server.now) for one in counters)
    found["nodes"] = [_node(node, server.now) for node in server.nodes if node.allocations]
    return found


def _node(node: Node, now: float) -> Json:
    found: Json = {"node": {node.name: {"name": node.name, "roles": ["ml"], "version": "9.2.1"}}}
    if node.starting:
        idle = {"peak_throughput_per_minute": 0, "throughput_last_minute": 0}
        return found | {"routing_state": {"routing_state": "starting"}} | idle
    counters = node.counters
    found["routing_state"] = {"routing_state": "started"}
    if counters.inferences:
        mean = counters.worked_s / counters.inferences * 1_000
        found["inference_count"] = counters.inferences
        found["average_inference_time_ms"] = found["average_inference_time_ms_excluding_cache_hits"] = mean
        found["inference_cache_hit_count"] = 0
        found["last_access"] = EPOCH_MS + int(counters.last_access * 1_000)
    found["number_of_pending_requests"] = node.pending
    if counters.rejected:
        found["rejected_execution_count"] = counters.rejected
    found["start_time"] = EPOCH_MS + int(counters.started * 1_000)
    found["threads_per_allocation"] = 1
    found["number_of_allocations"] = node.allocations
    found["peak_throughput_per_minute"] = _peak(counters, now)
    return found | _last_minute(counters, now)


def _last_minute(counters: Counters, now: float) -> Json:
    """Return what is told of the last complete minute since the process started: it does not slide."""
    count, worked_s = counters.minutes.get(int((now - counters.started) / MINUTE_S) - 1, (0, 0.0))
    if not count:
        return {"throughput_last_minute": 0}
    return {"throughput_last_minute": count, "average_inference_time_ms_last_minute": worked_s / count * 1_000}


def _peak(counters: Counters, now: float) -> int:
    current = int((now - counters.started) / MINUTE_S)
    return max((count for minute, (count, _) in counters.minutes.items() if minute < current), default=0)
