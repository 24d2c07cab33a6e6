"""The breaker: opens by failures within a window, tries one request, closes by itself. Time is the test's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_api.inference.breaker import Breaker, Outcome, State
from search_api.settings import BreakerSettings
from tests.fakes.clock import HandClock

SETTINGS = BreakerSettings(failures=3, share=0.5, window_s=10, open_s=2)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def breaker(clock):
    return Breaker(SETTINGS, clock)


def end(breaker, *outcomes):
    for outcome in outcomes:
        ticket = breaker.admit()
        assert ticket is not None
        ticket.end(outcome)


def opened(breaker):
    end(breaker, *[Outcome.FAILURE] * 3)
    assert breaker.state is State.OPEN
    return breaker


def test_enough_failures_open_it(breaker):
    end(breaker, Outcome.FAILURE, Outcome.FAILURE)
    assert breaker.state is State.CLOSED
    end(breaker, Outcome.FAILURE)
    assert breaker.state is State.OPEN
    assert breaker.admit() is None


def test_a_few_failures_among_many_successes_do_not(breaker):
    end(breaker, *[Outcome.SUCCESS] * 4, *[Outcome.FAILURE] * 3)
    assert breaker.state is State.CLOSED
    end(breaker, Outcome.FAILURE)
    assert breaker.state is State.OPEN


def test_failures_are_counted_over_a_window(breaker, clock):
    end(breaker, Outcome.FAILURE, Outcome.FAILURE)
    clock.now += 10
    end(breaker, Outcome.FAILURE, Outcome.FAILURE)
    assert breaker.state is State.CLOSED
    clock.now += 9.9
    end(breaker, Outcome.FAILURE)
    assert breaker.state is State.OPEN


def test_what_says_nothing_is_not_counted(breaker):
    end(breaker, *[Outcome.IGNORED] * 10, *[Outcome.FAILURE] * 2)
    assert breaker.state is State.CLOSED


def test_one_request_probes_and_its_success_closes(breaker, clock):
    opened(breaker)
    clock.now += 1.9
    assert breaker.admit() is None
    clock.now += 0.1
    assert breaker.state is State.HALF_OPEN
    probe = breaker.admit()
    assert [breaker.admit() for _ in range(3)] == [None] * 3
    probe.end(Outcome.SUCCESS)
    assert breaker.state is State.CLOSED
    # It begins anew: what failed before is forgotten.
    end(breaker, Outcome.FAILURE, Outcome.FAILURE)
    assert breaker.state is State.CLOSED


def test_a_probe_that_fails_opens_it_for_as_long_again(breaker, clock):
    opened(breaker)
    clock.now += 2
    end(breaker, Outcome.FAILURE)
    assert breaker.state is State.OPEN
    clock.now += 1.9
    assert breaker.admit() is None
    clock.now += 0.1
    end(breaker, Outcome.SUCCESS)
    assert breaker.state is State.CLOSED


def test_a_probe_that_says_nothing_leaves_its_place_to_the_next(breaker, clock):
    opened(breaker)
    clock.now += 2
    end(breaker, Outcome.IGNORED)
    assert breaker.state is State.HALF_OPEN
    end(breaker, Outcome.SUCCESS)
    assert breaker.state is State.CLOSED


def test_late_answers_from_before_decide_nothing(breaker, clock):
    late = [breaker.admit() for _ in range(4)]
    opened(breaker)
    clock.now += 2
    late[0].end(Outcome.SUCCESS)
    assert breaker.state is State.HALF_OPEN
    probe = breaker.admit()
    late[1].end(Outcome.SUCCESS)
    late[2].end(Outcome.IGNORED)
    assert breaker.admit() is None
    probe.end(Outcome.SUCCESS)
    late[3].end(Outcome.FAILURE)
    assert breaker.state is State.CLOSED


def test_the_first_end_of_a_ticket_counts(breaker):
    for _ in range(3):
        ticket = breaker.admit()
        ticket.end(Outcome.FAILURE)
        ticket.end(Outcome.SUCCESS)
    assert breaker.state is State.OPEN


def test_a_success_never_opens_it(breaker, clock):
    for outcome in [Outcome.SUCCESS] * 4:
        end(breaker, outcome)
    clock.now += 8
    for outcome in [Outcome.SUCCESS, *[Outcome.FAILURE] * 3]:
        end(breaker, outcome)
    clock.now += 2
    end(breaker, Outcome.SUCCESS)
    assert breaker.state is State.CLOSED


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.floats(0, 3), st.booleans()), max_size=60))
def test_however_it_goes_it_closes_again_when_all_is_well(history):
    clock = HandClock()
    breaker, held = Breaker(SETTINGS, clock), []
    for outcome, seconds, late in history:
        clock.now += seconds
        ticket = breaker.admit()
        if ticket is not None:
            held.append((ticket, outcome))
        if held and not late:
            held.pop(0)[0].end(outcome)
    for ticket, outcome in held:
        ticket.end(outcome)
    clock.now += SETTINGS.open_s
    end(breaker, Outcome.SUCCESS)
    assert breaker.state is State.CLOSED
