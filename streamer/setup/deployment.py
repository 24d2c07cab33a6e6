"""Deployments as Elasticsearch's statistics show them, and how one is compared with the settings (pure).

Compatible, and so no difference: any number of allocations when adaptive allocations are on; the cache size when the
settings leave it to the server. Fewer or more allocations without adaptive ones are a difference.
Field names and the rules of what is printed when: es `AssignmentStats` (9.x); every field may be absent.
"""

from __future__ import annotations

from typing import Any

import msgspec

from streamer.settings import DeploymentSettings
from streamer.setup.difference import line, size

Json = dict[str, Any]

READY = "fully_allocated"


class Deployment(msgspec.Struct, frozen=True):
    """A deployment in `_stats`; `state` and `reason` are the server's words, sizes as it prints them (`262mb`)."""

    id: str
    model_id: str
    state: str = ""
    reason: str = ""
    allocation_state: str = ""
    allocated: int = 0
    target: int = 0
    number_of_allocations: int = 0
    adaptive: bool = False
    threads_per_allocation: int = 1
    queue_capacity: int = 1024
    cache_size: str = ""

    @property
    def ready(self) -> bool:
        """Whether all allocations are there."""
        return self.allocation_state == READY

    def describe(self) -> str:
        """Return state, allocations and reason for people."""
        text = f"{self.allocation_state or self.state or 'unknown'}, {self.allocated} of {self.target} allocations"
        return f"{text}: {self.reason}" if self.reason else text


def read(stats: Json | None, deployment_id: str) -> Deployment | None:
    """Return the deployment `deployment_id` out of a `_stats` answer, or None when it is not started."""
    for entry in (stats or {}).get("trained_model_stats", []):
        found = entry.get("deployment_stats", {})
        if found.get("deployment_id") == deployment_id:
            return _deployment(entry, found)
    return None


def start_parameters(wanted: DeploymentSettings) -> dict[str, str]:
    """Return the query parameters of `_start`."""
    parameters = {
        "deployment_id": wanted.id,
        "number_of_allocations": str(wanted.number_of_allocations),
        "threads_per_allocation": str(wanted.threads_per_allocation),
        "queue_capacity": str(wanted.queue_capacity),
        # The wait is ours: it has progress and may be longer than a request.
        "wait_for": "starting",
    }
    return parameters | ({"cache_size": wanted.cache_size} if wanted.cache_size else {})


def deployment_differences(wanted: DeploymentSettings, found: Deployment) -> list[str]:
    """Compare a started deployment with the settings."""
    pairs: list[tuple[str, object, object]] = [
        ("model_id", wanted.model_id, found.model_id),
        ("threads_per_allocation", wanted.threads_per_allocation, found.threads_per_allocation),
        ("queue_capacity", wanted.queue_capacity, found.queue_capacity),
    ]
    if not found.adaptive:
        pairs.append(("number_of_allocations", wanted.number_of_allocations, found.number_of_allocations))
    if wanted.cache_size and found.cache_size and size(wanted.cache_size) != size(found.cache_size):
        pairs.append(("cache_size", wanted.cache_size, found.cache_size))
    return [line(name, expected, there) for name, expected, there in pairs if expected != there]


def _deployment(entry: Json, found: Json) -> Deployment:
    status = found.get("allocation_status", {})
    return Deployment(
        id=found["deployment_id"],
        model_id=found.get("model_id") or entry.get("model_id", ""),
        state=found.get("state", ""),
        reason=found.get("reason", "") or _routing_reason(found),
        allocation_state=status.get("state", ""),
        allocated=status.get("allocation_count", 0),
        target=status.get("target_allocation_count", 0),
        number_of_allocations=found.get("number_of_allocations", 0),
        adaptive=found.get("adaptive_allocations", {}).get("enabled", False),
        threads_per_allocation=found.get("threads_per_allocation", 1),
        queue_capacity=found.get("queue_capacity", 1024),
        cache_size=found.get("cache_size", ""),
    )


def _routing_reason(found: Json) -> str:
    reasons = [node.get("routing_state", {}).get("reason", "") for node in found.get("nodes", [])]
    return next((reason for reason in reasons if reason), "")
