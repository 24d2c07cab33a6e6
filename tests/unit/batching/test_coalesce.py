"""The newest write of each key, one in flight, and the older ones that are kept for the case of a refusal."""

import msgspec
import pytest

from streamer.batching.coalesce import Coalescer
from streamer.model import PLAIN
from tests.unit.builders import LANE, P0, P1, deletion, write

LANES = frozenset({LANE, PLAIN})


def offered(*writes):
    coalescer = Coalescer()
    for one in writes:
        coalescer.offer(one.key, one)
    return coalescer


def test_a_newer_write_stands_for_all_older_ones_until_it_has_succeeded():
    first, second, third = write(0), write(1), write(2)
    coalescer = offered(first, second, third)
    assert coalescer.take(third.key) is third
    assert coalescer.succeeded(third) == [first, second]
    assert len(coalescer) == 0


def test_a_write_of_a_lower_version_does_not_displace_a_higher_one():
    high, low, middle = write(0, version=10), write(1, version=5), write(2, version=7)
    coalescer = offered(high, low, middle)
    assert coalescer.take(high.key) is high
    assert coalescer.succeeded(high) == [low, middle]


def test_of_one_version_the_first_goes_as_in_the_index():
    first, second = write(0, version=5), write(1, version=5)
    coalescer = offered(first, second)
    assert coalescer.ready(first.key) is first


def test_nothing_is_ready_while_its_key_is_in_flight():
    first, second = write(0), write(1)
    coalescer = offered(first)
    assert coalescer.take(first.key) is first
    coalescer.offer(second.key, second)
    assert coalescer.ready(first.key) is None
    assert coalescer.succeeded(first) == []
    assert coalescer.ready(first.key) is second


def test_each_refused_write_gives_way_to_the_one_below_it():
    first, second, third = write(0), write(1), write(2)
    coalescer = offered(first, second, third)
    for refused, left in [(third, second), (second, first), (first, None)]:
        assert coalescer.take(first.key) is refused
        coalescer.refused(refused)
        assert coalescer.ready(first.key) is left
    assert len(coalescer) == 0


def test_a_refused_write_leaves_its_older_one_behind_a_newer():
    first, second, third = write(0), write(1), write(2)
    coalescer = offered(first, second)
    coalescer.take(first.key)
    coalescer.offer(third.key, third)
    coalescer.refused(second)
    assert coalescer.take(first.key) is third
    assert coalescer.succeeded(third) == [first]


def test_a_returned_write_waits_again_with_what_it_stands_for():
    first, second, third = write(0), write(1), write(2)
    coalescer = offered(first, second)
    coalescer.take(first.key)
    coalescer.offer(third.key, third)
    coalescer.returned(second)
    assert coalescer.take(first.key) is third
    assert coalescer.succeeded(third) == [first, second]


def test_what_is_sent_again_is_the_newest():
    first, second = write(0), deletion(1)
    coalescer = offered(first)
    coalescer.take(first.key)
    assert coalescer.renewed(first, LANES) is first
    coalescer.offer(second.key, second)
    assert coalescer.renewed(first, LANES) is second
    assert coalescer.ready(first.key) is None
    assert coalescer.succeeded(second) == [first]


@pytest.mark.parametrize("waiting", [write(1, version=3), write(1, lane="other")])
def test_neither_an_older_version_nor_another_window_is_sent_instead(waiting):
    first = write(0, version=4)
    coalescer = offered(first)
    coalescer.take(first.key)
    coalescer.offer(waiting.key, waiting)
    assert coalescer.renewed(first, LANES) is first


def test_waiting_writes_may_change_and_keep_their_order():
    first, second = write(0), write(1)
    coalescer = offered(first, second)
    coalescer.change(first.key, lambda one: msgspec.structs.replace(one, version=one.version - 1))
    sent = coalescer.take(first.key)
    assert (sent.record.offset, sent.version) == (1, second.version - 1)
    assert [one.version for one in coalescer.succeeded(sent)] == [first.version - 1]


def test_a_dropped_partition_leaves_what_others_need():
    mine, gone = write(0, partition=P0), write(1, partition=P1)
    coalescer = offered(mine, gone)
    assert coalescer.drop(P1) == [gone]
    assert coalescer.ready(mine.key) is mine


def test_a_dropped_partition_takes_what_flying_writes_stand_for_and_not_the_flying_one():
    gone, flying = write(0, partition=P1), write(1, partition=P1)
    coalescer = offered(gone, flying)
    coalescer.take(flying.key)
    assert coalescer.drop(P1) == [gone]
    assert coalescer.succeeded(flying) == []
    assert len(coalescer) == 0


def test_keys_of_different_routes_are_different():
    one, other = write(0), write(1, record=write(1).record)
    other.route = "other"
    assert len(offered(one, other)) == 2
