"""SIGTERM in mid-stream: what is in flight is finished and committed, and nothing is inferred again."""

import signal
import time

import pytest

from tests.fixtures.films import films, records_of
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact

FILMS = 300
DRAIN_S = 15.0


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_stop_finishes_what_is_in_flight(scenario, elastic, protocol):
    case = scenario(
        deployment={"number_of_allocations": 2},
        connection={"group_protocol": protocol},
        # Without looking texts up records are done nearly in their order, and the commit says how many they are.
        flow={"drain_timeout_s": DRAIN_S, "commit_interval_ms": 60_000, "reuse_tokens": False},
    )
    case.set_up(base_ms=40)
    case.send(records_of(films(FILMS)))
    first = case.start()
    case.await_results(first, 40)
    asked = time.monotonic()
    first.terminate()
    assert first.wait() == 0
    assert time.monotonic() - asked < DRAIN_S

    stopped = first.event("stopped")
    done = stopped["results"]["indexed"]
    assert stopped["in_flight"] == stopped["waiting"] == stopped["conservation_difference"] == 0
    assert FILMS > done == case.committed == elastic.inferences(case.deployment)
    assert len(elastic.documents(case.index)) == done

    second = case.start()
    case.await_results(second, FILMS - done)
    assert results(second) == {"indexed": FILMS - done}
    second.terminate()
    assert second.wait() == 0
    assert case.committed == FILMS
    assert_exact(case)
    assert elastic.inferences(case.deployment) == FILMS


def test_ctrl_c_is_a_stop_too(scenario):
    case = scenario()
    case.set_up()
    case.send(records_of(films(20)))
    running = case.start()
    case.await_results(running, 20)
    running.signal(signal.SIGINT)
    assert running.wait() == 0
    assert case.committed == 20


def test_what_cannot_be_drained_in_time_is_left_to_the_next(scenario, elastic):
    """The deployment takes nothing from its queue: after the drain timeout the stop goes on without the answer."""
    case = scenario(flow={"drain_timeout_s": 2.0})
    case.set_up()
    elastic.fault("stall", deployment=case.deployment)
    case.send(records_of(films(30)))
    first = case.start()
    case.await_in_flight(first)
    first.terminate()
    assert first.wait(30) == 0
    assert case.committed == 0
    assert first.event("stopped")["results"]["handed_over"] == 30
    assert not first.event("revoked")["drained"]

    elastic.heal()
    second = case.start()
    case.await_done(second)
    assert_exact(case)
    assert case.letters() == []
