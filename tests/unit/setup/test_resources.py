"""Set-up against a fake: what is missing is made, what exists is compared, what differs stays as it is."""

import pytest

from streamer.errors import (
    DeploymentNotReady,
    ElasticRefused,
    ElasticTimeout,
    SetupDifference,
    SetupError,
    StateError,
)
from streamer.intake.route import Reuse
from streamer.setup.check import Target, check
from streamer.setup.deploy import ensure_deployment
from streamer.setup.index import ensure_index, ensure_pipeline
from streamer.setup.pipeline import revision
from streamer.setup.reuse import NO_VERSION, SWITCHED_OFF
from streamer.setup.state import ensure_state_index
from tests.fakes.clock import HandClock
from tests.fakes.resources import FakeResources
from tests.unit.setup.samples import deployment, route, settings


@pytest.fixture
def steps():
    return []


def silent(step):
    pass


async def made(elastic, say=silent):
    await ensure_deployment(elastic, deployment(), HandClock(), 10.0, say)
    await ensure_state_index(elastic, "streamer-state", say)
    await ensure_pipeline(elastic, route(), say)
    await ensure_index(elastic, route(), say)
    return elastic


async def test_a_second_time_changes_nothing(steps):
    elastic = await made(FakeResources())
    elastic.writes.clear()
    await made(elastic, steps.append)
    assert elastic.writes == []
    assert {step.state for step in steps} == {"exists"}


async def test_pipeline_that_differs_stays_as_it_is():
    elastic = await made(FakeResources())
    elastic.resources["_ingest/pipeline/films-elser"]["on_failure"] = [{"set": {}}]
    elastic.writes.clear()
    with pytest.raises(SetupDifference, match=r"(?s)on_failure: expected nothing.*to go on: "):
        await ensure_pipeline(elastic, route(), print)
    assert elastic.writes == []


async def test_index_that_differs_stays_as_it_is():
    elastic = await made(FakeResources())
    elastic.writes.clear()
    with pytest.raises(SetupDifference, match=r"title: expected"):
        await ensure_index(elastic, route(properties={"title": {"type": "keyword"}}), print)
    assert elastic.writes == []


async def test_an_index_in_the_place_of_the_alias_is_refused():
    elastic = FakeResources()
    elastic.resources["films"] = {"aliases": {}}
    with pytest.raises(SetupError, match="is an index, and the route 'films' needs an alias"):
        await ensure_index(elastic, route(), print)


async def test_an_alias_of_two_indices_is_refused():
    elastic = await made(FakeResources())
    elastic.resources["films-000002"] = {"aliases": {"films": {}}}
    with pytest.raises(SetupDifference, match=r'indices: expected 1, found \["films-000001","films-000002"\]'):
        await ensure_index(elastic, route(), print)


@pytest.mark.parametrize("alias", [{"is_write_index": False}, {"filter": {"term": {"year": 2000}}}])
async def test_an_alias_that_cannot_be_written_or_hides_documents_is_refused(alias):
    elastic = await made(FakeResources())
    elastic.resources["films-000001"]["aliases"]["films"] = alias
    with pytest.raises(SetupDifference, match="alias 'films'"):
        await ensure_index(elastic, route(), print)


async def test_an_index_that_lost_its_alias_is_refused():
    elastic = await made(FakeResources())
    elastic.resources["films-000001"]["aliases"] = {}
    with pytest.raises(SetupDifference, match=r"aliases.films: expected"):
        await ensure_index(elastic, route(), print)


async def test_a_deployment_is_waited_for_with_progress(steps):
    elastic = FakeResources()
    elastic.polls_until_ready = 30
    await ensure_deployment(elastic, deployment(), HandClock(), 60.0, steps.append)
    assert [step.state for step in steps] == ["waiting", "waiting", "waiting", "started"]
    assert str(steps[1]) == "deployment for_ingest: waiting (starting, 0 of 1 allocations, 5 s)"


async def test_a_deployment_that_is_not_ready_in_time_is_named_with_state_and_reason():
    elastic = FakeResources()
    elastic.polls_until_ready = 1_000
    with pytest.raises(DeploymentNotReady, match="'for_ingest' is not ready after 10 s: starting, 0 of 1 allocations"):
        await ensure_deployment(elastic, deployment(), HandClock(), 10.0, silent)


async def test_a_failed_deployment_is_not_waited_for():
    elastic = FakeResources()
    elastic._deploy("for_ingest", ".elser_model_2", 1)
    elastic.deployments["for_ingest"] |= {"state": "failed", "reason": "no memory"}
    clock = HandClock()
    with pytest.raises(DeploymentNotReady, match="starting, 0 of 1 allocations: no memory"):
        await ensure_deployment(elastic, deployment(), clock, 10.0, silent)
    assert clock.now == 0.0


async def test_a_deployment_that_differs_stays_as_it_is():
    elastic = await made(FakeResources())
    elastic.writes.clear()
    with pytest.raises(SetupDifference, match="queue_capacity: expected 16, found 1024"):
        await ensure_deployment(elastic, deployment(queue_capacity=16), HandClock(), 10.0, print)
    assert elastic.writes == []


async def test_a_model_that_is_not_there_is_named():
    with pytest.raises(SetupError, match="the model 'other' of deployment 'for_ingest' is not in the cluster"):
        await ensure_deployment(FakeResources(), deployment(model_id="other"), HandClock(), 10.0, print)


async def test_a_start_that_another_setup_was_faster_with_is_no_error(steps):
    elastic = FakeResources()

    async def started_by_another(path, body=None, timeout=None, **params):
        elastic._deploy("for_ingest", ".elser_model_2", 1)
        raise ElasticRefused(409, "status_exception", "an existing deployment with the same id")

    elastic.post = started_by_another
    await ensure_deployment(elastic, deployment(), HandClock(), 10.0, steps.append)
    assert steps[-1].state == "exists"


async def test_a_start_without_an_answer_is_waited_for(steps):
    elastic = FakeResources()
    start = elastic.post

    async def slow(path, body=None, timeout=None, **params):
        await start(path, body, timeout, **params)
        raise ElasticTimeout

    elastic.post = slow
    await ensure_deployment(elastic, deployment(), HandClock(), 10.0, steps.append)
    assert steps[-1].state == "started"


async def test_an_endpoint_is_made_once(steps):
    elastic, wanted = FakeResources(), deployment(type="endpoint")
    for _ in range(2):
        await ensure_deployment(elastic, wanted, HandClock(), 10.0, steps.append)
    assert [str(step) for step in steps] == [
        "endpoint for_ingest: started (.elser_model_2, 1 allocations)",
        "endpoint for_ingest: exists (.elser_model_2, 1 allocations)",
    ]
    assert elastic.writes == ["PUT /_inference/sparse_embedding/for_ingest"]


async def test_check_returns_what_a_route_writes_to():
    elastic = await made(FakeResources())
    assert await check(elastic, settings()) == {
        "films": Target("films", "films", "films-000001", "films-elser", revision(route()), ".elser_model_2", Reuse(""))
    }


async def test_check_asks_for_tokens_as_the_server_wants_it():
    elastic = await made(FakeResources())
    elastic.version = {"number": "9.2.0"}
    assert (await check(elastic, settings()))["films"].reuse == Reuse("", hidden=True)


async def test_check_does_not_use_tokens_again_where_it_may_not_ask_or_is_told_not_to():
    elastic = await made(FakeResources())
    off = settings(flow={"reuse_tokens": False})
    assert (await check(elastic, off))["films"].reuse.off == SWITCHED_OFF
    elastic.version = None
    assert (await check(elastic, settings()))["films"].reuse.off == NO_VERSION
    assert (await check(elastic, off))["films"].reuse.off == SWITCHED_OFF


async def test_check_does_not_ask_for_a_started_deployment():
    elastic = await made(FakeResources())
    elastic.deployments.clear()
    assert (await check(elastic, settings()))["films"].model == ".elser_model_2"


async def test_check_works_without_the_privilege_for_statistics():
    elastic = await made(FakeResources())
    elastic._stats = forbidden
    assert (await check(elastic, settings()))["films"].model == ".elser_model_2"


def forbidden(deployment_id):
    raise ElasticRefused(403, "security_exception", "unauthorized")


@pytest.mark.parametrize(
    ("gone", "named"),
    [
        ("streamer-state-000001", "state index 'streamer-state'"),
        ("_ingest/pipeline/films-elser", "pipeline 'films-elser'"),
        ("films-000001", "alias 'films'"),
    ],
)
async def test_check_names_what_is_missing(gone, named):
    elastic = await made(FakeResources())
    del elastic.resources[gone]
    with pytest.raises(SetupError, match=f"the {named} is missing, run `streamer setup`"):
        await check(elastic, settings())


async def test_check_refuses_a_pipeline_that_hides_failures():
    elastic = await made(FakeResources())
    elastic.resources["_ingest/pipeline/films-elser"]["processors"][0]["inference"]["ignore_failure"] = True
    with pytest.raises(SetupDifference, match="run `streamer setup`"):
        await check(elastic, settings())


async def test_check_refuses_another_mapping_and_another_model():
    elastic = await made(FakeResources())
    elastic.deployments["for_ingest"]["model_id"] = "other"
    with pytest.raises(SetupDifference, match=r'model_id: expected ".elser_model_2", found "other"'):
        await check(elastic, settings())
    elastic.resources["films-000001"]["mappings"]["properties"]["text_tokens"] = {"type": "object"}
    with pytest.raises(SetupDifference, match=r"text_tokens.type"):
        await check(elastic, settings())


async def test_check_refuses_newer_state():
    elastic = await made(FakeResources())
    elastic.resources["streamer-state-000001"]["mappings"]["_meta"]["schema_version"] = 9
    with pytest.raises(StateError, match="schema version 9"):
        await check(elastic, settings())
