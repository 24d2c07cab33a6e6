"""Limits that stop the stream: dead letters, and records that lose to what their topic cannot have given."""

import asyncio

import pytest

from streamer.delivery.fuse import Fuse
from streamer.errors import StaleBurst, TooManyDeadLetters
from streamer.intake.identity import epoch_and_offset, version_of_position
from tests.fakes.clock import HandClock, in_virtual_time
from tests.fakes.elastic import BAD_DOCUMENT
from tests.unit.builders import P0, route
from tests.unit.delivery.stage import stage


def test_a_fuse_counts_the_last_minute():
    clock = HandClock()
    fuse = Fuse(clock, per_minute=2)
    assert [bool(fuse.count()) for _ in range(3)] == [False, False, True]
    clock.now += 60.0
    assert [bool(fuse.count()) for _ in range(3)] == [False, False, True]


def test_a_fuse_counts_the_run():
    clock = HandClock()
    fuse = Fuse(clock, per_minute=None, per_run=2)
    found = []
    for _ in range(3):
        found.append(fuse.count())
        clock.now += 3_600.0
    assert found == ["", "", "more than 2 in this run"]


def test_without_limits_nothing_breaks():
    fuse = Fuse(HandClock(), per_minute=None)
    assert not any(fuse.count() for _ in range(1_000))


def test_a_version_says_what_made_it():
    assert epoch_and_offset(version_of_position(7, 123_456, 1)) == (7, 123_456)
    assert epoch_and_offset(version_of_position(1, 0, 0)) == (1, 0)


@in_virtual_time
async def test_too_many_dead_letters_stop_before_the_next_one():
    async with stage(letters_per_minute=2) as world:
        world.take("a", "b", "c")
        world.elastic.fails = lambda _: BAD_DOCUMENT
        with pytest.raises(TooManyDeadLetters, match=r"more than 2 in a minute.*films-0 at 2.*limits\."):
            await world.deliver()
        assert [letter["id"] for letter in world.producer.values("dead")] == ["a", "b"]
        assert world.books.ledger[P0].position == 2


async def deliver_beaten(world, *, version, count):
    """Deliver records to ids of which the index has `version` already."""
    names = [f"d{n}" for n in range(count)]
    world.take(*names)
    world.elastic.versions = dict.fromkeys(names, version)
    await world.deliver()


@pytest.mark.parametrize("version", [version_of_position(2, 0), version_of_position(1, 1_000)])
@in_virtual_time
async def test_many_records_that_lose_to_what_cannot_be_stop(version):
    async with stage() as world:
        await deliver_beaten(world, version=version, count=3)
        assert world.results() == {"stale": 3}
        with pytest.raises(StaleBurst, match=r"films-0.*id_prefix"):
            await deliver_beaten(world, version=version, count=1)
        assert world.books.ledger[P0].position == 3


@in_virtual_time
async def test_a_replay_meets_its_successors_without_end():
    async with stage() as world:
        for _ in range(5):
            await deliver_beaten(world, version=version_of_position(1, 999), count=10)
        assert world.results() == {"stale": 50}


@in_virtual_time
async def test_a_key_that_moved_to_a_partition_that_was_added_has_successors_of_its_epoch():
    async with stage() as world:
        world.epochs = frozenset({1, 2, 3})
        await deliver_beaten(world, version=version_of_position(3, 0), count=10)
        with pytest.raises(StaleBurst):
            await deliver_beaten(world, version=version_of_position(4, 0), count=4)


@in_virtual_time
async def test_before_the_log_end_is_known_only_epochs_count():
    async with stage() as world:
        world.ends.clear()
        await deliver_beaten(world, version=version_of_position(1, 10**9), count=10)
        with pytest.raises(StaleBurst):
            await deliver_beaten(world, version=version_of_position(2, 0), count=4)


@in_virtual_time
async def test_versions_that_records_bring_may_lose():
    async with stage(route=route(version_from="field:v")) as world:
        await deliver_beaten(world, version=version_of_position(2, 0), count=10)
        await asyncio.sleep(0)
        assert world.results() == {"stale": 10}
