"""The newest write of each key, one in flight, and the older one that is kept for the case of a refusal."""

import pytest

from streamer.batching.coalesce import Coalescer
from streamer.model import PLAIN
from tests.unit.builders import LANE, P0, P1, deletion, write

LANES = frozenset({LANE, PLAIN})


def offered(*writes):
    coalescer = Coalescer()
    ended = [one for offer in writes for one in coalescer.offer(offer)]
    return coalescer, ended


def test_a_newer_write_stands_for_the_older_and_ends_what_that_stood_for():
    first, second, third = write(0), write(1), write(2)
    coalescer, ended = offered(first, second, third)
    assert ended == [first]
    assert coalescer.ready(third.key) is third
    assert third.replaced is second
    assert second.replaced is None


def test_a_write_of_a_lower_version_does_not_displace_a_higher_one():
    high, low = write(0, version=10), write(1, version=5)
    coalescer, ended = offered(high, low)
    assert (coalescer.ready(high.key), high.replaced, ended) == (high, low, [])


def test_of_one_version_the_first_stays_as_in_the_index():
    first, second = write(0, version=5), write(1, version=5)
    coalescer, _ = offered(first, second)
    assert coalescer.ready(first.key) is first


def test_nothing_is_ready_while_its_key_is_in_flight():
    first, second = write(0), write(1)
    coalescer, _ = offered(first)
    assert coalescer.take(first.key) is first
    assert coalescer.offer(second) == []
    assert coalescer.ready(first.key) is None
    assert coalescer.succeeded(first) is None
    assert coalescer.ready(first.key) is second
    assert second.replaced is None


def test_success_ends_what_it_stood_for():
    first, second = write(0), write(1)
    coalescer, _ = offered(first, second)
    coalescer.take(first.key)
    assert coalescer.succeeded(second) is first
    assert len(coalescer) == 0


def test_a_refused_write_gives_way_to_the_one_it_stood_for():
    first, second = write(0), write(1)
    coalescer, _ = offered(first, second)
    coalescer.take(first.key)
    assert coalescer.refused(second) == []
    assert coalescer.ready(first.key) is first


def test_a_refused_write_leaves_its_older_one_behind_a_newer():
    first, second, third = write(0), write(1), write(2)
    coalescer, _ = offered(first, second)
    coalescer.take(first.key)
    coalescer.offer(third)
    assert coalescer.refused(second) == []
    assert coalescer.ready(first.key) is third
    assert third.replaced is first


def test_what_is_sent_again_is_the_newest():
    first, second = write(0), deletion(1)
    coalescer, _ = offered(first)
    coalescer.take(first.key)
    assert coalescer.renewed(first, LANES) == (first, [])
    coalescer.offer(second)
    assert coalescer.renewed(first, LANES) == (second, [])
    assert second.replaced is first
    assert coalescer.ready(first.key) is None


@pytest.mark.parametrize("waiting", [write(1, version=3), write(1, lane="other")])
def test_neither_an_older_version_nor_another_window_is_sent_instead(waiting):
    first = write(0, version=4)
    coalescer, _ = offered(first)
    coalescer.take(first.key)
    coalescer.offer(waiting)
    assert coalescer.renewed(first, LANES) == (first, [])


def test_a_dropped_partition_leaves_what_others_need():
    mine, gone = write(0, partition=P0), write(1, partition=P1)
    coalescer, _ = offered(mine, gone)
    assert coalescer.drop(P1) == [gone]
    assert coalescer.ready(mine.key) is mine


def test_a_dropped_partition_takes_what_flying_writes_stand_for():
    gone, flying = write(0, partition=P1), write(1, partition=P0)
    coalescer, _ = offered(gone, flying)
    coalescer.take(flying.key)
    assert coalescer.drop(P1) == [gone]
    assert coalescer.succeeded(flying) is None
    assert len(coalescer) == 0


def test_keys_of_different_routes_are_different():
    one, other = write(0), write(1, record=write(1).record)
    other.route = "other"
    coalescer, ended = offered(one, other)
    assert (len(coalescer), ended, other.replaced) == (2, [], None)
