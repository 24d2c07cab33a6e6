"""A document over which the encoder's process dies each time is found and buried; its neighbours are not."""

import asyncio

import pytest

from tests.fakes.clock import in_virtual_time
from tests.unit.delivery.stage import stage

DIED = (
    500,
    "status_exception",
    "Error in inference process: [inference native process died unexpectedly with failure [signal 9]]",
)
SHUT = (429, "es_rejected_execution_exception", "inference process worker service has shutdown")
STOPPING = (500, "status_exception", "Error in inference process: [inference canceled as process is stopping]")


def killed_by(world, *killers):
    """Let the process die over `killers`: what comes after one in its request was queued, what came before is done."""

    def fails(name):
        names = world.elastic.sent[-1]
        found = [names.index(killer) for killer in killers if killer in names]
        if not found or names.index(name) < min(found):
            return None
        return DIED if names.index(name) == min(found) else SHUT

    return fails


@pytest.mark.parametrize("killers", [("d0",), ("d3",), ("d7",), ("d2", "d5")])
@in_virtual_time
async def test_the_killer_is_buried_after_three_deaths_and_nobody_else(killers):
    async with stage() as world:
        names = [f"d{n}" for n in range(8)]
        world.take(*names)
        world.elastic.fails = killed_by(world, *killers)
        await world.deliver()
        letters = world.producer.values("dead")
        assert sorted((letter["id"], letter["reason"]) for letter in letters) == [(k, "kills_process") for k in killers]
        # Once more when it was queued behind another one's death.
        assert {letter["attempts"] for letter in letters} <= {3, 4}
        assert {name for name, _ in world.elastic.written} == set(names) - set(killers)
        deaths = [sum(killer in names for killer in killers) for names in world.elastic.sent]
        assert sum(1 for count in deaths if count) <= 3 * len(killers)
        world.check_all_is_done()


@in_virtual_time
async def test_after_the_first_death_a_suspect_goes_alone_and_last():
    async with stage() as world:
        world.take("a", "b", "c")
        world.elastic.fails = killed_by(world, "b")
        await world.deliver()
        assert world.elastic.sent == [["a", "b", "c"], ["c"], ["b"], ["b"]]
        world.check_all_is_done()


@pytest.mark.parametrize("failure", [SHUT, STOPPING])
@in_virtual_time
async def test_what_was_only_queued_or_stopped_is_nobodys_fault(failure):
    async with stage() as world:
        world.take("a", "b")
        world.elastic.fails = lambda _: failure
        delivery = world.deliver()
        await asyncio.sleep(60.0)
        assert world.producer.values("dead") == []
        assert len(world.elastic.sent) > 6
        world.elastic.fails = lambda _: None
        await delivery
        assert world.results() == {"indexed": 2}
        world.check_all_is_done()


@in_virtual_time
async def test_two_deaths_by_chance_bury_nobody():
    async with stage() as world:
        world.take("a", "b")
        chances = iter([DIED, DIED])
        world.elastic.fails = lambda name: next(chances, None) if name == "a" else None
        await world.deliver()
        assert world.results() == {"indexed": 2}
        world.check_all_is_done()
