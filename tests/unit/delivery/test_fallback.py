"""While inference is down, routes that ask for it index without tokens at once, and owe them to the backlog."""

import asyncio

import orjson
import pytest

from streamer.delivery.dispatcher import Bounds
from streamer.errors import BacklogUndelivered, KafkaError
from streamer.intake.identity import lexical_version
from streamer.model import PLAIN
from tests.fakes.clock import in_virtual_time
from tests.fakes.elastic import BAD_DOCUMENT, NOT_DEPLOYED
from tests.unit.builders import P0, P1, deletion, record, route, write
from tests.unit.delivery.stage import LEXICAL_AFTER_S, stage

BOUNDS = Bounds(inference_units=64, plain_units=32, bulk_bytes=5_000, linger_s=0.0)
ROUTE = route(lexical=True)
FORBIDDEN = (403, "security_exception", "action [indices:data/write/bulk] is unauthorized")


def without_inference(world, failure=NOT_DEPLOYED):
    """Refuse what asks for tokens, as its version tells."""
    world.elastic.fails_at = lambda _, version: failure if version % 4 == 1 else None


def with_inference(world):
    world.elastic.fails_at = lambda *_: None


@in_virtual_time
async def test_after_a_while_everything_goes_without_tokens_and_is_owed():
    async with stage(route=ROUTE) as world:
        without_inference(world)
        world.dispatch(BOUNDS)
        writes = world.take(*[f"d{n}" for n in range(100)])
        await asyncio.sleep(LEXICAL_AFTER_S)
        assert world.results() == {}
        await asyncio.sleep(7.0)
        assert world.results() == {"lexical": 100}
        assert world.elastic.versions == {one.id: lexical_version(one.version) for one in writes}
        owed = world.producer.values("backlog")
        assert sorted(one["offset"] for one in owed) == list(range(100))
        keys = {key for topic, key, _ in world.producer.records if topic == "backlog"}
        assert keys == {f"films\0{one.id}".encode() for one in writes}
        world.check_all_is_done()


@in_virtual_time
async def test_while_it_lasts_new_records_go_at_once_and_one_of_them_probes():
    async with stage(route=ROUTE) as world:
        without_inference(world)
        world.dispatch(BOUNDS)
        world.take("first")
        await asyncio.sleep(LEXICAL_AFTER_S + 6.0)
        before = len(world.elastic.requests)
        for n in range(100):
            world.take(f"n{n}")
            world.runtime.bell.ring()
            await asyncio.sleep(0.5)
        assert world.results()["lexical"] >= 98
        probes = [request for request in world.elastic.requests[before:] if request.items[0][1] % 4 == 1]
        assert 8 <= len(probes) <= 14
        with_inference(world)
        await asyncio.sleep(6.0)
        world.take("complete")
        world.runtime.bell.ring()
        await asyncio.sleep(1.0)
        assert world.gate.hold is None
        assert world.elastic.versions["complete"] % 4 == 1
        world.check_all_is_done()


@pytest.mark.parametrize(("made", "failure"), [(route(), NOT_DEPLOYED), (ROUTE, FORBIDDEN)])
@in_virtual_time
async def test_others_wait(made, failure):
    """Routes that do not ask for it, and whenever it is not inference alone that is gone."""
    async with stage(route=made) as world:
        without_inference(world, failure)
        world.dispatch(BOUNDS)
        world.take("a", "b")
        await asyncio.sleep(120.0)
        assert world.results() == {}
        assert world.producer.records == []
        with_inference(world)
        await asyncio.sleep(10.0)
        assert world.results() == {"indexed": 2}
        world.check_all_is_done()


@in_virtual_time
async def test_the_index_is_not_asked_for_tokens_of_what_goes_without():
    async with stage(route=ROUTE) as world:
        assert world.fallback.without_tokens(write(unasked=True)).queue == PLAIN


@in_virtual_time
async def test_an_offset_is_not_done_before_the_backlog_has_the_record():
    async with stage(route=ROUTE) as world:
        world.producer.failure = KafkaError("no leader")
        world.books.take([world.fallback.without_tokens(write(0, "a", generation=world.generation))])
        with pytest.raises(BacklogUndelivered, match="films-0 at 0"):
            await world.deliver(PLAIN)
        assert (world.elastic.versions, world.books.ledger[P0].position) == ({"a": 4}, 0)


@in_virtual_time
async def test_a_lexical_form_that_is_there_already_is_owed_again_and_a_newer_state_is_not():
    async with stage(route=ROUTE) as world:
        for n, name in enumerate(["again", "newer"]):
            world.books.take([world.fallback.without_tokens(write(n, name, generation=world.generation))])
        world.next = 2
        world.elastic.versions = {"again": 4, "newer": 9}
        await world.deliver(PLAIN)
        assert [one["offset"] for one in world.producer.values("backlog")] == [0]
        assert world.results() == {"repeated": 1, "stale": 1}
        world.check_all_is_done()


@in_virtual_time
async def test_the_older_lexical_form_is_written_when_the_newer_is_poison():
    async with stage(route=ROUTE) as world:
        world.elastic.fails_at = lambda _, version: {4: None, 8: BAD_DOCUMENT}.get(version, NOT_DEPLOYED)
        world.dispatch(BOUNDS)
        world.take("a", "a")
        await asyncio.sleep(30.0)
        assert world.elastic.versions == {"a": 4}
        assert world.results() == {"lexical": 1, "dead_lettered": 1}
        world.check_all_is_done()


def take_owed(world, *ids):
    """Take what the backlog brings, in a partition of its own."""
    generation = world.books.assign(P1)
    for n, name in enumerate(ids):
        via = record(n, partition=P1)
        world.books.take([write(n, name, partition=P1, generation=generation, owed=True, via=via)])


@in_virtual_time
async def test_what_is_owed_waits_for_inference():
    async with stage(route=ROUTE) as world:
        without_inference(world)
        world.dispatch(BOUNDS)
        take_owed(world, "a", "b")
        await asyncio.sleep(LEXICAL_AFTER_S + 60.0)
        assert world.results() == {}
        with_inference(world)
        await asyncio.sleep(10.0)
        assert world.results() == {"indexed": 2}
        assert world.producer.records == []


@in_virtual_time
async def test_what_is_owed_goes_after_everything_else():
    async with stage(window=8) as world:
        without_inference(world)
        world.dispatch(BOUNDS)
        world.take("first")
        await asyncio.sleep(5.0)
        take_owed(world, "owed0", "owed1", "owed2")
        world.take("d0", "d1", "d2")
        with_inference(world)
        await asyncio.sleep(30.0)
        order = dict.fromkeys(name for names in world.elastic.sent for name in names)
        assert list(order) == ["first", "d0", "d1", "d2", "owed0", "owed1", "owed2"]
        world.check_all_is_done()


def test_deletions_and_documents_without_text_are_nothing_to_fall_back_from():
    async def check():
        async with stage(route=ROUTE) as world:
            for one in (deletion(0), write(0, lane=PLAIN)):
                assert world.fallback.without_tokens(one) is one

    asyncio.run(check())


def test_what_is_owed_is_a_parcel():
    async def check():
        async with stage(route=ROUTE) as world:
            await world.fallback.owe(write(3, "a"), "tid")
            ((topic, key, value),) = world.producer.records
            assert (topic, key) == ("backlog", b"films\0a")
            found = orjson.loads(value)
            assert (found["route"], found["topic_id"], found["offset"]) == ("films", "tid", 3)

    asyncio.run(check())
