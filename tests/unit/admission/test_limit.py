"""The window: from the allocations, never above half of the queue, less after a full queue."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.admission.capacity import Capacity
from streamer.admission.limit import FixedLimit, bulk_size


def capacity(allocations=1, nodes=1, queue=1024):
    return Capacity("started", allocations, nodes, queue, 0, 0, 0, None, 0.0)


def limit(per_allocation=32, **fields):
    made = FixedLimit(per_allocation)
    made.on_capacity(capacity(**fields))
    return made


def test_before_the_first_statistics_there_is_one_allocation():
    assert FixedLimit(32).window == 32


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        ({"allocations": 1}, 32),
        ({"allocations": 8}, 256),
        ({"allocations": 16}, 512),
        ({"allocations": 17}, 512),
        ({"allocations": 100, "nodes": 3}, 1_536),
        ({"allocations": 4, "queue": 16}, 8),
        ({"allocations": 4, "queue": 16, "nodes": 2}, 16),
        ({"allocations": 1, "queue": 1}, 1),
        ({"allocations": 0}, 32),
    ],
)
def test_the_window_follows_allocations_up_to_half_of_the_queues(fields, window):
    assert limit(**fields).window == window


@pytest.mark.parametrize("nothing", [None, capacity(nodes=0)])
def test_without_statistics_the_window_stays(nothing):
    made = limit(allocations=4)
    made.on_capacity(nothing)
    assert made.window == 128


def test_a_full_queue_cuts_to_a_part_of_what_was_in_flight():
    made = limit(allocations=4)
    made.on_overload(100)
    assert made.window == 70
    made.on_overload(200)
    assert made.window == 70
    made.on_overload(0)
    assert made.window == 1


def test_a_cut_window_grows_by_a_part_of_what_gets_through():
    made = limit(allocations=4)
    made.on_overload(100)
    made.on_success(20)
    assert made.window == 71
    made.on_success(10_000)
    assert made.window == 128


def test_a_cut_outlives_the_next_look_at_the_statistics():
    made = limit(allocations=4)
    made.on_overload(100)
    made.on_capacity(capacity(allocations=8))
    assert made.window == 70
    made.on_success(100_000)
    assert made.window == 256


def test_a_smaller_deployment_narrows_the_window_at_once():
    made = limit(allocations=4)
    made.on_capacity(capacity(allocations=1))
    assert made.window == 32


events = st.one_of(
    st.tuples(st.just("on_success"), st.integers(0, 200)),
    st.tuples(st.just("on_overload"), st.integers(0, 2_000)),
    st.tuples(
        st.just("on_capacity"),
        st.one_of(st.none(), st.builds(capacity, st.integers(0, 64), st.integers(0, 4), st.integers(1, 4_096))),
    ),
)


@given(st.integers(1, 512), st.lists(events, max_size=40))
def test_the_window_keeps_its_bounds(per_allocation, happenings):
    made, known = FixedLimit(per_allocation), None
    for name, value in happenings:
        before = made.window
        getattr(made, name)(value)
        if name == "on_capacity" and value is not None and value.nodes:
            known = value
        if name == "on_success":
            assert made.window >= before
        if name == "on_overload":
            assert made.window <= before
        assert made.window >= 1
        if known is not None:
            assert made.window <= max(1, known.queue_capacity * known.nodes / 2)
            assert made.window <= per_allocation * max(1, known.allocations)


@given(st.integers(1, 100_000), st.integers(1, 1_000))
def test_a_bulk_is_an_eighth_of_the_window(window, most):
    size = bulk_size(window, most)
    assert 1 <= size <= most
    assert size == max(1, min(most, window // 8))
    assert size * 8 <= window or size == 1
