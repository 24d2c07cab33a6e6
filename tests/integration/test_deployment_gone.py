"""A deployment that is not there: records are kept, what needs no inference passes, and all goes on by itself."""

import json

import pytest

from tests.fixtures.films import films, key_of, records_of
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import throughout, until

MAX_POLL_S = 6.0
RESUME_S = 20.0


@pytest.fixture
def case(scenario):
    made = scenario(
        deployment={"number_of_allocations": 2}, connection={"max_poll_interval_ms": int(MAX_POLL_S * 1_000)}
    )
    made.set_up()
    return made


def start_again(case):
    case.elastic.start_deployment(case.deployment, number_of_allocations=2)


def holding(running, reason):
    def holds():
        status = running.status()
        return status if (status["state"], status["hold"]) == ("holding", reason) else None

    return until(holds, f"a hold because of {reason}")


def plain(count, *, start):
    return [
        (key_of(film), json.dumps({"id": film["id"], "title": film["title"]}).encode())
        for film in films(count, start=start)
    ]


def assert_stays(case, running):
    """It is a member of its group, not ready, and says why, beyond the time after which a silent one is put out."""

    def check():
        assert running.alive
        assert not running.ready()
        assert running.status()["hold"] == "not_deployed"
        assert case.kafka.members(case.group) == 1

    throughout(MAX_POLL_S + 2, check)
    assert not any(event.get("event") == "lost" for event in running.events())


def test_stopped_before_the_start(case):
    case.elastic.stop_deployment(case.deployment)
    with_text = records_of(films(60))
    without = plain(20, start=200)
    case.send([*with_text, *without, *((key_of(film), None) for film in films(5, start=300))])
    running = case.start()
    holding(running, "not_deployed")
    until(lambda: results(running) == {"no_text": 20, "deleted": 5}, "what needs no inference")
    assert case.elastic.documents(case.index).keys() == {key.decode() for key, _ in without}
    assert_stays(case, running)
    assert case.letters() == []

    start_again(case)
    case.await_done(running, timeout_s=RESUME_S)
    assert_exact(case)
    assert running.ready()
    assert running.status()["state"] == "running"
    assert case.letters() == []


def test_stopped_in_mid_stream(case):
    case.elastic.synthetic(case.deployment, base_ms=40)
    case.send(records_of(films(300)))
    running = case.start()
    case.await_results(running, 50)
    assert running.ready()
    case.elastic.stop_deployment(case.deployment)
    holding(running, "not_deployed")
    indexed = results(running)["indexed"]
    assert indexed < 300
    later = case.send([*plain(20, start=400), *((key_of(film), None) for film in films(5))])
    until(lambda: results(running)["no_text"] == 20, "what needs no inference")
    assert_stays(case, running)
    assert results(running)["indexed"] == indexed
    assert case.committed < len(case.sent)

    start_again(case)
    case.await_done(running, timeout_s=RESUME_S)
    assert_exact(case)
    assert later[0].key.decode() in case.elastic.documents(case.index)
    assert case.letters() == []


def test_a_stop_while_held_ends_at_once_and_keeps_everything(case):
    case.elastic.stop_deployment(case.deployment)
    case.send(records_of(films(60)))
    running = case.start()
    holding(running, "not_deployed")
    running.terminate()
    assert running.wait(15) == 0
    assert case.committed == 0
    start_again(case)
    again = case.start()
    case.await_done(again)
    assert_exact(case)
    assert case.letters() == []


@pytest.mark.parametrize("kind", ["lose_deployment", "crash_process"])
def test_what_is_lost_for_a_moment_is_waited_for(scenario, elastic, kind):
    """The task cannot be found; a process of the real encoder dies with what it was computing."""
    case = scenario(deployment={"model_id": ".elser_model_2", "number_of_allocations": 1})
    case.set_up()
    case.send(records_of(films(200)))
    running = case.start()
    case.await_results(running, 20)
    elastic.fault(kind, deployment=case.deployment)
    until(lambda: running.status()["rejections"], "refusals")
    elastic.heal()
    case.await_done(running)
    assert_exact(case)
    assert results(running) == {"indexed": 200}
    assert case.letters() == []
