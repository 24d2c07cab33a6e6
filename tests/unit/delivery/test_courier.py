"""Only what was refused goes again, nothing is done twice, and what nobody knows stops."""

import asyncio
from random import Random

import pytest

from streamer.errors import (
    DeadLetterUndelivered,
    ElasticRefused,
    ElasticTimeout,
    ElasticUnavailable,
    KafkaError,
    UnknownAnswer,
)
from streamer.model import PLAIN
from tests.fakes.clock import in_virtual_time, settle
from tests.fakes.elastic import BAD_DOCUMENT, NOT_DEPLOYED, QUEUE_FULL
from tests.unit.builders import P0, deletion
from tests.unit.delivery.stage import stage

TOO_LARGE = (429, "es_rejected_execution_exception", "Request contains an operation of size [9] bytes, which exceeds")


def once(failure, *ids):
    """Refuse each of `ids` the first time."""
    left = set(ids)

    def fails(name):
        if name in left:
            left.remove(name)
            return failure
        return None

    return fails


@in_virtual_time
async def test_a_batch_goes_once():
    async with stage() as world:
        world.take("a", "b", "c")
        await world.deliver()
        assert world.elastic.sent == [["a", "b", "c"]]
        assert world.results() == {"indexed": 3}
        world.check_all_is_done()


@in_virtual_time
async def test_only_refused_items_go_again_and_keep_their_slots():
    async with stage() as world:
        world.take("a", "b", "c", "d")
        world.elastic.fails = once(QUEUE_FULL, "b", "d")
        delivery = world.deliver()
        await asyncio.sleep(0.3)
        assert (world.gate.used, world.books.ledger[P0].position) == (2, 1)
        await delivery
        assert world.elastic.sent == [["a", "b", "c", "d"], ["b", "d"]]
        assert 0.1 < world.elastic.requests[1].at - world.elastic.requests[0].at <= 1.1
        assert world.gate.limit.window < 64
        assert world.courier.rejections == {("films", "films", "queue_full"): 2}
        world.check_all_is_done()


@pytest.mark.parametrize("dice", range(5))
@in_virtual_time
async def test_with_a_third_refused_at_random_all_are_written_once(dice):
    chance = Random(dice)
    async with stage() as world:
        names = [str(n) for n in range(60)]
        world.elastic.fails = lambda _: QUEUE_FULL if chance.random() < 0.3 else None
        deliveries = []
        for first in range(0, 60, 12):
            world.take(*names[first : first + 12])
            deliveries.append(world.deliver())
        await asyncio.gather(*deliveries)
        assert sorted(name for name, _ in world.elastic.written) == sorted(names)
        refused = world.courier.rejections.total()
        assert refused > 0
        assert sum(len(items) for items in world.elastic.sent) == 60 + refused
        world.check_all_is_done()


@in_virtual_time
async def test_a_hold_keeps_everything_and_probes_with_one_document():
    async with stage() as world:
        world.take("a", "b", "c")
        world.elastic.fails = lambda _: NOT_DEPLOYED
        delivery = world.deliver()
        await asyncio.sleep(9.0)
        assert world.gate.hold.reason == "not_deployed"
        assert world.gate.used == 3
        assert [len(items) for items in world.elastic.sent] == [3, 1, 1, 1, 1]
        times = [request.at - world.elastic.requests[0].at for request in world.elastic.requests]
        assert times == pytest.approx([0.0, 1.1, 2.7, 5.05, 8.525], abs=0.01)
        world.elastic.fails = lambda _: None
        await delivery
        assert world.elastic.sent[-2:] == [["a"], ["b", "c"]]
        assert world.gate.hold is None
        world.check_all_is_done()


@in_virtual_time
async def test_of_several_batches_one_probes():
    async with stage() as world:
        world.elastic.fails = lambda _: NOT_DEPLOYED
        deliveries = []
        for name in "abc":
            world.take(name + "1", name + "2")
            deliveries.append(world.deliver())
        await asyncio.sleep(0.5)
        world.elastic.seconds = 3.0
        await asyncio.sleep(2.0)
        assert [len(items) for items in world.elastic.sent] == [2, 2, 2, 1]
        world.elastic.fails = lambda _: None
        await asyncio.gather(*deliveries)
        assert world.results() == {"indexed": 6}
        world.check_all_is_done()


def refuse(status, *poison):
    """Refuse each request that holds one of `poison`, as a whole."""
    error = ElasticRefused(status, "x_content_parse_exception" if status == 400 else "", "bad")
    return lambda names: error if set(poison) & set(names) else None


@pytest.mark.parametrize("status", [400, 413])
@pytest.mark.parametrize("poison", [("d3",), ("d0",), ("d7",), ("d2", "d5")])
@in_virtual_time
async def test_a_split_finds_the_poison_and_buries_it_alone(status, poison):
    async with stage() as world:
        names = [f"d{n}" for n in range(8)]
        world.take(*names)
        world.elastic.breaks = refuse(status, *poison)
        await world.deliver()
        letters = world.producer.values("dead")
        assert [letter["id"] for letter in letters] == list(poison)
        assert {name for name, _ in world.elastic.written} == set(names) - set(poison)
        assert world.results() == {"indexed": 8 - len(poison), "dead_lettered": len(poison)}
        world.check_all_is_done()


@in_virtual_time
async def test_a_document_above_the_limit_takes_its_neighbours_along_only_once():
    async with stage() as world:
        names = [f"d{n}" for n in range(8)]
        world.take(*names)
        world.elastic.fails = lambda _: TOO_LARGE if "d3" in world.elastic.sent[-1] else None
        await world.deliver()
        (letter,) = world.producer.values("dead")
        assert (letter["id"], letter["reason"]) == ("d3", "too_large")
        assert world.results() == {"indexed": 7, "dead_lettered": 1}
        world.check_all_is_done()


@pytest.mark.parametrize("failure", [ElasticTimeout("no answer"), ElasticUnavailable("refused")])
@in_virtual_time
async def test_without_an_answer_slots_are_kept_and_nothing_is_sent_at_once(failure):
    async with stage() as world:
        world.take("a", "b")
        world.elastic.breaks = lambda _: failure
        delivery = world.deliver()
        await asyncio.sleep(1.0)
        assert (len(world.elastic.requests), world.gate.used, world.books.ledger[P0].position) == (1, 2, 0)
        assert world.gate.hold is not None
        # The server had done the work.
        world.elastic.versions = dict(world.elastic.requests[0].items)
        world.elastic.breaks = lambda _: None
        await delivery
        assert world.results() == {"repeated": 2}
        assert world.elastic.sent == [["a", "b"], ["a"], ["b"]]
        world.check_all_is_done()


@in_virtual_time
async def test_an_unknown_answer_stops_and_completes_nothing():
    async with stage() as world:
        world.take("a", "b")
        world.elastic.fails = lambda _: (500, "null_pointer_exception", "oops")
        with pytest.raises(UnknownAnswer, match=r"films-0 at 0 \(id 'a'\).*null_pointer_exception: oops"):
            await world.deliver()
        assert (world.books.ledger[P0].position, world.results(), len(world.elastic.requests)) == (0, {}, 1)


@in_virtual_time
async def test_a_bad_document_is_buried_before_its_offset_moves():
    async with stage() as world:
        world.take("a", "b")
        world.elastic.fails = lambda name: BAD_DOCUMENT if name == "a" else None
        world.producer.failure = KafkaError("no leader")
        with pytest.raises(DeadLetterUndelivered, match="films-0 at 0"):
            await world.deliver()
        assert world.books.ledger[P0].position == 0


@in_virtual_time
async def test_a_newer_write_goes_in_place_of_the_one_that_goes_again():
    async with stage() as world:
        world.take("a", "b", inputs=2)
        world.elastic.fails = once(QUEUE_FULL, "a")
        delivery = world.deliver()
        await asyncio.sleep(0)
        (newer,) = world.take("a", inputs=3)
        await delivery
        assert list(world.elastic.sent) == [["a", "b"], ["a"]]
        assert world.elastic.versions["a"] == newer.version
        assert world.results() == {"indexed": 2, "superseded": 1}
        world.check_all_is_done()


@in_virtual_time
async def test_a_refused_newer_write_gives_way_to_the_older():
    async with stage() as world:
        (good, _) = world.take("a", "a")
        poison = world.elastic.fails
        world.elastic.fails = once(BAD_DOCUMENT, "a")
        await world.deliver()
        world.elastic.fails = poison
        await world.deliver()
        assert world.elastic.versions == {"a": good.version}
        assert world.results() == {"dead_lettered": 1, "indexed": 1}
        world.check_all_is_done()


@pytest.mark.parametrize("failure", [QUEUE_FULL, NOT_DEPLOYED])
@in_virtual_time
async def test_when_partitions_leave_waits_end_at_once(failure):
    async with stage() as world:
        world.take("a", "b")
        world.elastic.fails = lambda _: failure
        delivery = world.deliver()
        await asyncio.sleep(0.15)
        before = world.clock.monotonic()
        world.books.leave([P0])
        await delivery
        assert world.clock.monotonic() == before
        assert world.books.drained([P0])
        assert world.results() == {"handed_over": 2}
        assert (world.gate.used, len(world.elastic.requests)) == (0, 1)
        assert world.books.ledger[P0].position == 0


@in_virtual_time
async def test_a_deletion_during_a_hold_of_the_deployment_goes_past_it():
    async with stage() as world:
        world.take("a")
        world.elastic.fails = lambda name: NOT_DEPLOYED if name == "a" else None
        delivery = world.deliver()
        await asyncio.sleep(0.2)
        world.take("b", make=deletion)
        await world.deliver(PLAIN)
        assert world.results() == {"deleted": 1}
        world.elastic.fails = lambda _: None
        await delivery
        await settle()
        world.check_all_is_done()
