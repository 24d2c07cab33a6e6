"""Inference endpoints, which bring their deployment along: body and comparison (pure).

Compatible, and so no difference: any number of allocations when adaptive ones are on; `.elser_model_2` found as
`.elser_model_2_linux-x86_64`, the build of the same model for one platform; chunking settings, which no pipeline uses.
"""

from __future__ import annotations

from typing import Any

from streamer.errors import SettingsError
from streamer.settings import DeploymentSettings
from streamer.setup.difference import NOTHING, line

Json = dict[str, Any]

TASK = "sparse_embedding"
SERVICE = "elasticsearch"
PLATFORM = "_linux-x86_64"
SERVER_QUEUE_CAPACITY = 1024


def endpoint_body(wanted: DeploymentSettings) -> Json:
    """Return the body of `PUT _inference/sparse_embedding/ID`.

    Raises SettingsError for settings that an endpoint does not take.
    """
    if wanted.queue_capacity != SERVER_QUEUE_CAPACITY or wanted.cache_size:
        msg = (
            f"deployment {wanted.id!r} has type endpoint, whose queue capacity and cache the server chooses: "
            "leave queue_capacity and cache_size out, or use type deployment"
        )
        raise SettingsError(msg)
    return {
        "service": SERVICE,
        "service_settings": {
            "model_id": wanted.model_id,
            "num_threads": wanted.threads_per_allocation,
            "num_allocations": wanted.number_of_allocations,
        },
    }


def endpoint_differences(wanted: DeploymentSettings, found: Json) -> list[str]:
    """Compare `found` (one of `endpoints` in the answer to GET) with the settings."""
    expected = endpoint_body(wanted)
    given = found.get("service_settings", {})
    pairs: list[tuple[str, object, object]] = [
        ("task_type", TASK, found.get("task_type", NOTHING)),
        ("service", SERVICE, found.get("service", NOTHING)),
    ]
    pairs += [
        (f"service_settings.{name}", value, given.get(name, NOTHING))
        for name, value in expected["service_settings"].items()
        if name != "num_allocations" or not given.get("adaptive_allocations", {}).get("enabled")
    ]
    return [line(name, value, there) for name, value, there in pairs if there not in (value, f"{value}{PLATFORM}")]
