"""Windows: what full queues leave of them, and the fixed one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.admission.limit import Cut, FixedLimit, bulk_size


def test_a_fixed_window_stays():
    assert FixedLimit(32).window == 32


def test_a_full_queue_cuts_to_a_part_of_what_was_in_flight():
    made = FixedLimit(128)
    made.on_overload(100, 1.0, 0.0)
    assert made.window == 70
    made.on_overload(200, 1.0, 0.0)
    assert made.window == 70


def test_the_less_is_refused_the_less_is_cut():
    made = FixedLimit(128)
    made.on_overload(100, 0.1, 0.0)
    assert made.window == 97


def test_a_part_of_the_window_stays_whatever_happens():
    made = FixedLimit(128)
    for _ in range(9):
        made.on_overload(made.window, 1.0, 0.0)
    assert made.window == 32
    small = FixedLimit(10)
    small.on_overload(0, 1.0, 0.0)
    assert small.window == 8


def test_a_cut_window_grows_by_a_part_of_what_gets_through():
    made = FixedLimit(128)
    made.on_overload(100, 1.0, 0.0)
    made.on_success(20, 0.0)
    assert made.window == 71
    made.on_success(10_000, 0.0)
    assert made.window == 128


def test_a_cut_that_is_outgrown_is_forgotten():
    cut = Cut()
    cut.overload(100, 1.0)
    assert cut.of(50) == 50
    assert cut.of(1_000) == 1_000


events = st.lists(
    st.one_of(
        st.tuples(st.just("on_success"), st.tuples(st.integers(0, 2_000), st.just(0.0))),
        st.tuples(st.just("on_overload"), st.tuples(st.integers(0, 2_000), st.floats(0, 1), st.just(0.0))),
    ),
    max_size=40,
)


@given(st.integers(1, 512), events)
def test_the_window_keeps_its_bounds(most, happenings):
    made = FixedLimit(most)
    for name, arguments in happenings:
        before = made.window
        getattr(made, name)(*arguments)
        assert 1 <= made.window <= most
        assert (made.window >= before) if name == "on_success" else (made.window <= before)


@pytest.mark.parametrize(("window", "size"), [(1, 1), (8, 1), (20, 2), (32, 4), (64, 4), (96, 4), (120, 5), (480, 20)])
def test_a_bulk_is_an_eighth_of_a_small_window_and_a_24th_of_a_large_one(window, size):
    assert bulk_size(window, 64) == size


@given(st.integers(1, 100_000), st.integers(1, 1_000))
def test_eight_bulks_fit_into_any_window_that_has_room_for_them(window, most):
    size = bulk_size(window, most)
    assert 1 <= size <= most
    assert size == 1 or 8 * size <= window
    assert size <= bulk_size(window + 1, most)
