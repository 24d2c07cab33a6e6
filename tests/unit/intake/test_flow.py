"""How much may be outstanding, and who is paused for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.intake.flow import Bounds, Flow
from tests.unit.builders import P0, P1, P2


def filled(records=0, size=0, partition=P0):
    flow = Flow(Bounds(records=10, size=1_000))
    for _ in range(records):
        flow.took(partition, 1, size)
    return flow


def test_a_partition_is_paused_at_its_bound_of_records():
    flow = filled(records=9)
    assert flow.to_pause(frozenset({P0})) == frozenset()
    flow.took(P0, 1, 0)
    assert flow.to_pause(frozenset({P0})) == flow.paused == {P0}


def test_a_partition_is_paused_at_its_bound_of_bytes():
    flow = filled(records=1, size=999)
    assert flow.to_pause(frozenset({P0})) == frozenset()
    flow.took(P0, 1, 1)
    assert flow.to_pause(frozenset({P0})) == {P0}


@pytest.mark.parametrize("size", [0, 100])
def test_a_pause_lasts_until_half_is_free(size):
    flow = filled(records=10, size=size)
    flow.to_pause(frozenset({P0}))
    for _ in range(5):
        assert flow.to_pause(frozenset({P0})) == {P0}
        flow.done(P0, 1, size)
    assert flow.to_pause(frozenset({P0})) == {P0}
    flow.done(P0, 1, size)
    assert flow.to_pause(frozenset({P0})) == frozenset()
    for _ in range(5):
        assert flow.to_pause(frozenset({P0})) == frozenset()
        flow.took(P0, 1, size)


def test_partitions_share_the_bound_evenly():
    flow = filled(records=5)
    assert flow.to_pause(frozenset({P0})) == frozenset()
    assert flow.to_pause(frozenset({P0, P1})) == {P0}


def test_only_what_is_assigned_is_paused():
    flow = filled(records=10, partition=P2)
    assert flow.to_pause(frozenset({P0, P1})) == frozenset()
    assert flow.to_pause(frozenset()) == frozenset()


def test_a_forgotten_partition_begins_anew():
    flow = filled(records=10, size=10)
    flow.to_pause(frozenset({P0}))
    flow.forget(P0)
    assert flow.size == 0
    flow.to_pause(frozenset())
    flow.took(P0, 1, 10)
    assert flow.to_pause(frozenset({P0})) == frozenset()


@given(
    st.lists(st.tuples(st.sampled_from([P0, P1, P2]), st.integers(0, 300), st.booleans()), max_size=60),
    st.frozensets(st.sampled_from([P0, P1, P2]), min_size=1),
)
def test_who_reads_only_when_not_paused_keeps_to_the_bounds(events, assigned):
    bounds = Bounds(records=8, size=1_000)
    flow, held = Flow(bounds), []
    for partition, size, comes in events:
        if comes and partition in assigned and partition not in flow.to_pause(assigned):
            flow.took(partition, 1, size)
            held.append((partition, size))
        elif not comes and held:
            flow.done(held[-1][0], 1, held.pop()[1])
    assert flow.size == sum(size for _, size in held)
    for partition in assigned:
        mine = [size for one, size in held if one == partition]
        # The record that reaches a bound is still taken.
        assert (len(mine) - 1) * len(assigned) < bounds.records
        assert sum(mine[:-1]) * len(assigned) < bounds.size or not mine
