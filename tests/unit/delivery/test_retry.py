"""Waits have full jitter, grow while most is refused, and are remembered across batches."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.delivery.retry import Backoff, RetryPolicy
from tests.fakes.clock import HandClock

POLICY = RetryPolicy(first_s=1.0, growth=2.0, most_s=10.0)


def backoff():
    clock = HandClock()
    return Backoff(POLICY, clock, Random(1)), clock


def waits(made, count=400):
    return [made.wait() for _ in range(count)]


def test_waits_lie_anywhere_between_nothing_and_the_longest():
    made, _ = backoff()
    found = waits(made)
    assert min(found) < 0.1
    assert 0.9 < max(found) <= 1.0
    assert sum(found) / len(found) == pytest.approx(0.5, abs=0.1)


def test_they_grow_while_most_is_refused_up_to_a_limit():
    made, clock = backoff()
    levels = []
    for _ in range(10):
        made.told(3, 4)
        levels.append(made.level)
        clock.now += 10.0
    assert levels == [1, 2, 3, 4, 4, 4, 4, 4, 4, 4]
    assert 9.0 < max(waits(made)) <= 10.0


def test_batches_that_meet_the_same_full_queue_count_once():
    made, clock = backoff()
    for _ in range(5):
        made.told(4, 4)
    assert made.level == 1
    clock.now += POLICY.longest(1)
    made.told(4, 4)
    assert made.level == 2


def test_a_share_of_refusals_that_goes_on_slows_nothing_down():
    made, clock = backoff()
    for _ in range(100):
        made.told(3, 10)
        clock.now += 1.0
    assert made.level == 0


def test_they_shrink_when_most_gets_through():
    made, clock = backoff()
    for _ in range(3):
        made.told(4, 4)
        clock.now += 10.0
    made.told(0, 4)
    made.told(2, 4)
    assert made.level == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.floats(0, 20))))
def test_no_history_makes_a_wait_longer_than_the_most(history):
    made, clock = backoff()
    for refused, sent, seconds in history:
        made.told(min(refused, sent), sent)
        clock.now += seconds
        assert 0 <= made.wait() <= POLICY.most_s
