"""Bytes under way: bounded, cut by a node that is short of memory, given back when nothing is under way."""

import pytest

from streamer.admission.bytewindow import LEAST_BYTES, ByteWindow
from tests.fakes.clock import HandClock

MOST = 1_000_000


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def rung():
    return []


@pytest.fixture
def window(clock, rung):
    return ByteWindow(MOST, clock, lambda: rung.append(1))


def test_what_is_under_way_takes_room_and_gives_it_back(window, rung):
    weight = window.admit(300_000)
    assert (window.used, window.room) == (300_000, 700_000)
    assert not rung
    weight.resize(0)
    assert (window.used, window.room, len(rung)) == (0, MOST, 1)


def test_a_batch_may_change_its_weight_within_the_limit(window):
    weight = window.admit(300_000)
    window.admit(600_000)
    assert weight.fits(400_000)
    assert not weight.fits(400_001)


def test_what_is_alone_always_fits(window):
    weight = window.admit(10)
    assert weight.fits(2 * MOST)


def test_pressure_cuts_below_what_was_under_way_once_a_second(window, clock):
    window.admit(500_000)
    window.pressed()
    window.pressed()
    assert window.limit == 350_000
    clock.now += 1.0
    window.pressed()
    # The same 500,000 bytes are under way: no reason to cut further.
    assert (window.limit, window.room) == (350_000, 0)


def test_within_a_second_less_under_way_is_no_reason_to_cut_again(window, clock):
    weight = window.admit(500_000)
    window.pressed()
    weight.resize(200_000)
    clock.now += 0.9
    window.pressed()
    assert window.limit == 350_000
    clock.now += 0.1
    window.pressed()
    assert window.limit == 140_000


def test_it_is_cut_no_further_than_a_few_documents(window, clock):
    for _ in range(50):
        window.pressed()
        clock.now += 1.0
    assert window.limit == LEAST_BYTES


def test_a_small_window_is_not_made_larger_by_pressure(clock):
    window = ByteWindow(50_000, clock, lambda: None)
    window.pressed()
    assert window.limit == 50_000


def test_what_is_taken_lets_it_grow_again_up_to_the_most(window):
    window.admit(500_000)
    window.pressed()
    window.passed(1_000_000)
    assert window.limit == 400_000
    for _ in range(100):
        window.passed(1_000_000)
    assert window.limit == MOST
