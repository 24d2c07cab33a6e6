"""The limit of searches at a time: its arithmetic, and what it does to a server that can be overloaded."""

import asyncio
import random
import statistics
from contextlib import nullcontext

import pytest

from search_api.concurrency import Limit, Valve
from search_api.errors import Overloaded
from search_api.settings import ConcurrencySettings
from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable
from tests.fakes.clock import HandClock, LoopClock, in_virtual_time

SETTINGS = ConcurrencySettings(initial=20, least=4, most=40, slow_ms=100)


def test_a_round_of_good_answers_adds_one():
    limit = Limit(SETTINGS)
    for _ in range(20):
        limit.good(20)
    assert 20.9 < limit._value < 21.1
    for _ in range(2_000):
        limit.good(40)
    assert limit.value == 40


def test_a_limit_that_is_not_used_does_not_grow():
    limit = Limit(SETTINGS)
    for _ in range(1_000):
        limit.good(9)
    assert limit.value == 20


def test_one_cut_for_each_round_trip():
    limit = Limit(SETTINGS)
    for began in (1.0, 1.1, 1.2):
        limit.bad(began, 2.0)
    assert limit.value == 18
    limit.bad(2.0, 3.0)
    assert limit.value == 16
    for second in range(3, 60):
        limit.bad(second, second + 1)
    assert limit.value == 4


async def once(valve, clock, seconds=0.0, error=None):
    with valve.ticket():
        clock.now += seconds
        if error:
            raise error


@pytest.mark.parametrize(
    ("seconds", "error", "after"),
    [
        (0.2, None, 18),
        (0.05, ElasticTimeout(), 18),
        (0.0, ElasticRefused(429, "es_rejected_execution_exception", ""), 18),
        (0.0, ElasticRefused(503, "", ""), 18),
        (0.0, ElasticRefused(400, "parsing_exception", ""), 20),
        (0.0, ElasticUnavailable(), 20),
        (0.0, RuntimeError(), 20),
        (0.2, asyncio.CancelledError(), 20),
        (0.05, None, 20),
    ],
)
async def test_what_an_end_means(seconds, error, after):
    clock = HandClock()
    clock.now = 1.0
    valve = Valve(SETTINGS, clock)
    with pytest.raises(type(error)) if error else nullcontext():
        await once(valve, clock, seconds, error)
    found = {one.metric.name: one.value for one in valve.samples()}
    assert found == {
        "search_api_elasticsearch_limit": after,
        "search_api_elasticsearch_in_flight": 0,
        "search_api_shed_total": 0,
    }


def test_beyond_the_limit_none_waits():
    valve = Valve(ConcurrencySettings(initial=4, least=4), HandClock())
    held = [valve.ticket() for _ in range(4)]
    for one in held:
        one.__enter__()
    with pytest.raises(Overloaded), valve.ticket():
        pass
    held.pop().__exit__(None, None, None)
    with valve.ticket():
        pass
    assert {one.metric.name: one.value for one in valve.samples()}["search_api_shed_total"] == 1


class Server:
    """So many threads with a queue before them: more clients make it slower, not faster."""

    def __init__(self, threads, seconds):
        self._threads, self.seconds = asyncio.Semaphore(threads), seconds
        self._random = random.Random(7)

    async def search(self):
        async with self._threads:
            await asyncio.sleep(self.seconds * self._random.uniform(0.5, 1.5))


async def flood(valves, server, rate, seconds):
    """Send `rate` searches a second through each valve; return the latencies and refusals of each."""
    async with asyncio.TaskGroup() as tasks:
        sources = [tasks.create_task(source(one, server, rate, seconds, seed)) for seed, one in enumerate(valves)]
    return [task.result() for task in sources]


async def source(valve, server, rate, seconds, seed):
    loop, chance = asyncio.get_running_loop(), random.Random(seed)
    latencies, shed, end = [], [], loop.time() + seconds

    async def one(began):
        try:
            with valve.ticket():
                await server.search()
            latencies.append(loop.time() - began)
        except Overloaded:
            shed.append(began)

    async with asyncio.TaskGroup() as tasks:
        while loop.time() < end:
            tasks.create_task(one(loop.time()))
            await asyncio.sleep(chance.expovariate(rate))
    return latencies, shed


SLOW_AT_200_MS = {"initial": 16, "slow_ms": 200}


def server():
    """Return a server that takes 100 searches a second."""
    return Server(4, 0.04)


@in_virtual_time
async def test_twice_the_load_is_shed_and_the_rest_stays_fast_and_full():
    one, valve = server(), Valve(ConcurrencySettings(**SLOW_AT_200_MS), LoopClock())
    await flood([valve], one, 200, 10)
    ((latencies, shed),) = await flood([valve], one, 200, 20)
    assert len(latencies) / 20 > 95
    assert max(latencies) < 0.3
    assert len(shed) > 0.45 * 200 * 20


@in_virtual_time
async def test_below_capacity_nothing_is_shed():
    valve = Valve(ConcurrencySettings(**SLOW_AT_200_MS), LoopClock())
    ((latencies, shed),) = await flood([valve], server(), 60, 20)
    assert shed == []
    assert statistics.median(latencies) < 0.06


@in_virtual_time
async def test_it_follows_a_server_that_becomes_slower_and_comes_back():
    one, valve = server(), Valve(ConcurrencySettings(**SLOW_AT_200_MS), LoopClock())
    await flood([valve], one, 60, 2)
    one.seconds = 0.16
    await flood([valve], one, 60, 20)
    ((latencies, _),) = await flood([valve], one, 60, 10)
    assert statistics.median(latencies) < 0.25
    assert len(latencies) / 10 > 25 * 0.9
    one.seconds = 0.04
    await flood([valve], one, 60, 5)
    ((latencies, shed),) = await flood([valve], one, 60, 5)
    assert shed == []
    assert statistics.median(latencies) < 0.06


@in_virtual_time
async def test_two_instances_come_to_equal_shares():
    settings = [ConcurrencySettings(initial=initial, slow_ms=200) for initial in (40, 4)]
    valves, one = [Valve(each, LoopClock()) for each in settings], server()
    ((first, _), (second, _)) = await flood(valves, one, 100, 2)
    assert len(first) > 2 * len(second)
    await flood(valves, one, 100, 60)
    ((first, _), (second, _)) = await flood(valves, one, 100, 20)
    assert 0.7 < len(first) / len(second) < 1.4
