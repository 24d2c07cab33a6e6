import pytest

from streamer.errors import SettingsError
from streamer.setup.deployment import Deployment, deployment_differences, read, start_parameters
from streamer.setup.endpoint import endpoint_body, endpoint_differences
from tests.unit.setup.samples import deployment


def found(**given):
    return Deployment(**({"id": "for_ingest", "model_id": ".elser_model_2", "number_of_allocations": 1} | given))


def test_another_deployment_of_the_same_model_is_not_ours():
    stats = {"trained_model_stats": [{"model_id": "m", "deployment_stats": {"deployment_id": "for_search"}}]}
    assert read(stats, "for_ingest") is None
    assert read({"trained_model_stats": [{"model_id": "m"}]}, "for_ingest") is None
    assert read(None, "for_ingest") is None


def test_every_field_of_the_statistics_may_be_absent():
    entry = {"model_id": "m", "deployment_stats": {"deployment_id": "d", "nodes": [{}]}}
    assert read({"trained_model_stats": [entry]}, "d") == Deployment("d", "m")


def test_reason_of_a_node_is_told():
    nodes = [{"routing_state": {"routing_state": "failed", "reason": "not enough memory"}}]
    status = {"allocation_count": 0, "target_allocation_count": 2, "state": "starting"}
    entry = {"deployment_stats": {"deployment_id": "d", "model_id": "m", "allocation_status": status, "nodes": nodes}}
    deployed = read({"trained_model_stats": [entry]}, "d")
    assert deployed.describe() == "starting, 0 of 2 allocations: not enough memory"
    assert not deployed.ready


def test_start_asks_for_what_the_settings_say():
    assert start_parameters(deployment(number_of_allocations=2, cache_size="0b")) == {
        "deployment_id": "for_ingest",
        "number_of_allocations": "2",
        "threads_per_allocation": "1",
        "queue_capacity": "1024",
        "wait_for": "starting",
        "cache_size": "0b",
    }


def test_what_was_started_does_not_differ():
    assert deployment_differences(deployment(cache_size="1gb"), found(cache_size="1024mb")) == []
    assert deployment_differences(deployment(), found(cache_size="262mb")) == []


def test_adaptive_allocations_are_the_clusters_business():
    assert deployment_differences(deployment(), found(number_of_allocations=8, adaptive=True)) == []


def test_what_differs_is_named():
    wanted = deployment(number_of_allocations=2, queue_capacity=16, threads_per_allocation=4, cache_size="0b")
    assert deployment_differences(wanted, found(model_id="other", cache_size="1mb")) == [
        'model_id: expected ".elser_model_2", found "other"',
        "threads_per_allocation: expected 4, found 1",
        "queue_capacity: expected 16, found 1024",
        "number_of_allocations: expected 2, found 1",
        'cache_size: expected "0b", found "1mb"',
    ]


def endpoint(**service_settings):
    given = {"model_id": ".elser_model_2", "num_threads": 1, "num_allocations": 1} | service_settings
    return {"task_type": "sparse_embedding", "service": "elasticsearch", "service_settings": given}


def test_endpoint_as_made_does_not_differ():
    wanted = deployment(type="endpoint")
    assert endpoint_body(wanted)["service_settings"] == endpoint()["service_settings"]
    assert endpoint_differences(wanted, endpoint()) == []


def test_platform_build_of_the_model_is_the_same_model():
    assert endpoint_differences(deployment(type="endpoint"), endpoint(model_id=".elser_model_2_linux-x86_64")) == []


def test_adaptive_endpoint_does_not_differ():
    adaptive = endpoint(num_allocations=7, adaptive_allocations={"enabled": True})
    assert endpoint_differences(deployment(type="endpoint"), adaptive) == []


def test_what_differs_at_an_endpoint_is_named():
    other = endpoint(num_allocations=2) | {"service": "elastic"}
    assert endpoint_differences(deployment(type="endpoint"), other) == [
        'service: expected "elasticsearch", found "elastic"',
        "service_settings.num_allocations: expected 1, found 2",
    ]


@pytest.mark.parametrize("given", [{"queue_capacity": 2048}, {"cache_size": "0b"}])
def test_an_endpoint_takes_no_queue_capacity_and_no_cache(given):
    with pytest.raises(SettingsError, match="type endpoint"):
        endpoint_body(deployment(type="endpoint", **given))
