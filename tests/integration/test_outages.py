"""Elasticsearch and Kafka go away in mid-stream and come back: everything arrives, nobody has to help."""

import pytest

from tests.fixtures.films import films, key_of, records_of, value_of
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import throughout, until

FILMS = 300


@pytest.fixture
def case(scenario):
    made = scenario(deployment={"number_of_allocations": 2})
    made.set_up(base_ms=30)
    made.send(records_of(films(FILMS)))
    return made


def test_elasticsearch_is_killed_and_comes_back(case, stack):
    running = case.start()
    case.await_results(running, 60)
    stack.elasticsearch.kill()
    try:
        until(lambda: running.status()["state"] == "holding", "a hold")
        assert not running.ready()
        done = results(running)
        throughout(3, running.status)
        assert results(running) == done
        assert sum(done.values()) < FILMS
    finally:
        stack.elasticsearch.start()
    changed = films(30)
    case.send((key_of(film), value_of(film | {"rating": 2.5})) for film in changed)
    case.await_done(running)
    assert running.ready()
    assert_exact(case)
    assert case.letters() == []


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_kafka_goes_away_and_comes_back(case, stack, how):
    running = case.start()
    case.await_results(running, 60)
    (stack.kafka.stop if how == "stopped" else stack.kafka.kill)()
    try:
        case.await_results(running, FILMS // 2)
    finally:
        stack.kafka.start()
    case.send((key_of(film), value_of(film | {"rating": 2.5})) for film in films(30))
    case.await_done(running)
    assert_exact(case)
    assert running.alive
    assert case.letters() == []


def test_a_frozen_elasticsearch_is_waited_for(case, stack):
    """Connections stay open and nothing answers: an outcome that is not known is not taken for a refusal."""
    running = case.start()
    case.await_results(running, 60)
    stack.elasticsearch.suspend()
    try:
        done = results(running)
        throughout(3, running.status)
        assert sum(results(running).values()) - sum(done.values()) < FILMS // 2
    finally:
        stack.elasticsearch.resume()
    case.await_done(running)
    assert_exact(case)
    assert results(running) == {"indexed": FILMS}
    assert case.letters() == []
