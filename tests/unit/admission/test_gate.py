"""The door: what may pass, what a full queue does, and how a hold ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.admission.gate import Gate
from streamer.admission.limit import FixedLimit
from tests.fakes.clock import HandClock


class Door:
    """A gate with a clock to move and a count of its rings."""

    def __init__(self, window=32):
        self.rings = 0
        self.clock = HandClock()
        self.gate = Gate(FixedLimit(window), self.clock, self.ring)

    def ring(self):
        self.rings += 1


@pytest.fixture
def door():
    return Door()


def test_room_is_what_the_window_leaves(door):
    assert door.gate.room == 32
    ticket = door.gate.admit(30)
    assert (door.gate.room, door.gate.used, ticket.inputs) == (2, 30, 30)
    door.gate.admit(5)
    assert door.gate.room == 0


@pytest.mark.parametrize("end", ["success", "ignore"])
def test_a_slot_that_ends_is_free_and_told(door, end):
    ticket = door.gate.admit(10)
    getattr(ticket, end)(4)
    assert (door.gate.used, ticket.inputs, door.gate.room, door.rings) == (6, 6, 26, 1)


def test_no_slot_ends_twice(door):
    ticket = door.gate.admit(2)
    ticket.success(2)
    with pytest.raises(AssertionError):
        ticket.ignore(1)


def test_an_overload_keeps_its_slots_and_cuts_the_window(door):
    ticket = door.gate.admit(20)
    ticket.answered(8, 8)
    assert (door.gate.used, ticket.inputs, door.gate.limit.window) == (20, 20, 14)


def test_the_window_is_cut_once_a_second(door):
    door.gate.admit(20).answered(8, 8)
    door.gate.freed(6)
    door.gate.answered(8, 8)
    door.clock.now = 0.99
    door.gate.answered(8, 8)
    assert door.gate.limit.window == 14
    door.clock.now = 1.0
    door.gate.answered(8, 8)
    assert door.gate.limit.window == 9


def test_a_small_share_of_refusals_cuts_little(door):
    door.gate.admit(20)
    door.gate.answered(0, 9)
    door.gate.answered(1, 1)
    assert door.gate.limit.window == 19


def test_what_was_sent_long_ago_does_not_count(door):
    door.gate.admit(20)
    door.gate.answered(0, 1_000)
    door.clock.now = 60.0
    door.gate.answered(8, 8)
    assert door.gate.limit.window == 14


def test_success_lets_a_cut_window_grow(door):
    ticket = door.gate.admit(20)
    ticket.answered(20, 20)
    ticket.success(20)
    assert door.gate.limit.window == 15


def test_a_newer_document_may_have_other_inputs(door):
    ticket = door.gate.admit(3)
    ticket.exchange(2, 1)
    assert (ticket.inputs, door.gate.used, door.rings) == (2, 2, 1)
    ticket.exchange(1, 4)
    assert (ticket.inputs, door.gate.used) == (5, 5)
    ticket.success(5)
    assert door.gate.used == 0


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), max_size=20))
def test_all_slots_come_back(tickets):
    door = Door()
    for inputs, freed in tickets:
        ticket = door.gate.admit(inputs)
        ticket.success(min(freed, inputs))
        ticket.ignore(ticket.inputs)
    assert (door.gate.used, door.gate.room) == (0, 32)


def test_during_a_hold_one_may_come_to_probe(door):
    door.gate.close("not_deployed")
    assert (door.gate.room, door.gate.hold.reason) == (1, "not_deployed")
    door.gate.admit(1)
    assert door.gate.room == 0


def test_the_first_probe_is_due_after_a_second(door):
    assert not door.gate.probe()
    door.gate.close("gone")
    assert door.gate.hold.wait(door.clock.now) == 1.0
    door.clock.now = 0.999
    assert not door.gate.probe()
    door.clock.now = 1.0
    assert door.gate.probe()


def test_one_probes_at_a_time(door):
    door.gate.close("gone")
    door.clock.now = 1.0
    assert door.gate.probe()
    assert not door.gate.probe()
    # A bulk that was sent before the hold says so too; the probe is still out.
    door.gate.close("gone", probed=False)
    door.clock.now = 100.0
    assert not door.gate.probe()


def test_probes_become_rarer_up_to_five_seconds(door):
    door.gate.close("gone")
    waits = []
    for _ in range(7):
        wait = door.gate.hold.wait(door.clock.now)
        waits.append(wait)
        door.clock.now += wait
        assert door.gate.probe()
        door.gate.close("still gone", probed=True)
    assert waits == pytest.approx([1.0, 1.5, 2.25, 3.375, 5.0, 5.0, 5.0])
    assert door.gate.hold.reason == "still gone"


def test_a_hold_that_ended_begins_anew(door):
    door.gate.close("gone")
    door.clock.now = 1.0
    door.gate.probe()
    door.gate.close("gone", probed=True)
    door.gate.open()
    assert (door.gate.hold, door.gate.room) == (None, 32)
    door.gate.close("gone again")
    assert door.gate.hold.wait(door.clock.now) == 1.0


def test_everybody_is_told_when_a_hold_begins_fails_or_ends(door):
    door.gate.close("gone")
    assert door.rings == 1
    door.clock.now = 1.0
    door.gate.probe()
    door.gate.close("gone", probed=True)
    assert door.rings == 2
    door.gate.open()
    assert door.rings == 3
    door.gate.open()
    assert door.rings == 3
