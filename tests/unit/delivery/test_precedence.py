"""What comes back never beats a deletion that Elasticsearch has forgotten."""

import asyncio

import pytest

from streamer.delivery.bulk import marker_id
from streamer.delivery.outcome import Action
from streamer.delivery.precedence import judge
from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable
from tests.fakes.clock import in_virtual_time
from tests.fakes.elastic import QUEUE_FULL
from tests.unit.builders import carrying, parcel, record, write
from tests.unit.delivery.stage import stage

VERSION = 17
"""Of the records that come back here."""


def returned(world, *names):
    """Take writes of old records, brought by records of the redrive topic."""
    for offset, name in enumerate(names):
        old = record(3, key=name.encode())
        carrier = carrying(parcel(old), world.next + offset, "films")
        one = write(3, name, generation=world.generation, version=VERSION, record=old, via=carrier)
        world.books.take([one])
    world.next += len(names)


def mark(world, name, version):
    world.elastic.markers[marker_id("films", name)] = version


@in_virtual_time
async def test_a_newer_deletion_ends_it_without_a_word_to_the_index():
    async with stage() as world:
        mark(world, "gone", VERSION + 4)
        returned(world, "gone", "there")
        await world.deliver()
        assert world.elastic.sent == [["there"]]
        assert world.results() == {"stale": 1, "indexed": 1}
        world.check_all_is_done()


@in_virtual_time
async def test_a_batch_in_which_nothing_may_go_sends_nothing():
    async with stage() as world:
        mark(world, "gone", VERSION + 4)
        returned(world, "gone")
        await world.deliver()
        assert world.elastic.sent == []
        world.check_all_is_done()


@pytest.mark.parametrize("version", [VERSION - 4, VERSION])
@in_virtual_time
async def test_an_older_deletion_and_its_own_do_not_stop_it(version):
    async with stage() as world:
        mark(world, "a", version)
        returned(world, "a")
        await world.deliver()
        assert world.elastic.sent == [["a"]]


@in_virtual_time
async def test_records_of_the_stream_need_no_marker():
    async with stage() as world:
        mark(world, "a", 10**9)
        world.take("a")
        await world.deliver()
        assert (world.elastic.looked_up, world.elastic.sent) == ([], [["a"]])


@in_virtual_time
async def test_markers_are_looked_up_together_and_before_each_attempt():
    async with stage() as world:
        world.elastic.fails = lambda _: QUEUE_FULL
        returned(world, "a", "b")
        delivery = world.deliver()
        await asyncio.sleep(0.3)
        mark(world, "a", VERSION + 4)
        world.elastic.fails = lambda _: None
        await delivery
        assert [len(names) for names in world.elastic.looked_up] == [2, 2]
        assert world.elastic.sent == [["a", "b"], ["b"]]
        assert world.results() == {"stale": 1, "indexed": 1}
        world.check_all_is_done()


@pytest.mark.parametrize(
    "failure",
    [
        ElasticUnavailable("refused"),
        ElasticTimeout("no answer"),
        ElasticRefused(404, "index_not_found_exception", "no such index [streamer-state]"),
        ElasticRefused(400, "illegal_argument_exception", "bad"),
        {"type": "no_shard_available_action_exception", "reason": "not yet"},
    ],
)
@in_virtual_time
async def test_without_markers_what_needs_them_is_held_and_the_rest_goes(failure):
    async with stage() as world:
        world.elastic.unmarked = failure
        returned(world, "a")
        world.take("b")
        delivery = world.deliver()
        await asyncio.sleep(2.0)
        assert world.elastic.sent == [["b"]]
        assert world.gate.hold.reason == "precedence_unknown"
        world.elastic.unmarked = None
        await delivery
        assert world.elastic.sent == [["b"], ["a"]]
        assert world.results() == {"indexed": 2}
        world.check_all_is_done()


@pytest.mark.parametrize("entry", [{}, {"_id": "m"}, {"error": {"type": "x"}}, {"error": None}])
def test_what_nobody_answered_for_is_a_hold(entry):
    absent = {"found": False}
    assert judge(entry, absent, 1).action is Action.HOLD
    assert judge(absent, entry, 1).action is Action.HOLD


@pytest.mark.parametrize(("version", "result"), [(VERSION + 1, "stale"), (VERSION, "repeated")])
@in_virtual_time
async def test_what_stands_in_the_index_already_is_not_inferred_again(version, result):
    async with stage() as world:
        world.elastic.versions["a"] = version
        returned(world, "a", "b")
        await world.deliver()
        assert world.elastic.sent == [["b"]]
        assert world.results() == {result: 1, "indexed": 1}
        world.check_all_is_done()
