"""The limit of searches at a time: its arithmetic, and what it does to a server that can be overloaded."""

import asyncio
import statistics
from contextlib import nullcontext

import pytest

from search_api.concurrency import Limit, Turnstile
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


async def once(gate, clock, seconds=0.0, error=None):
    with gate.ticket():
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
    gate = Turnstile(SETTINGS, clock)
    with pytest.raises(type(error)) if error else nullcontext():
        await once(gate, clock, seconds, error)
    found = {one.metric.name: one.value for one in gate.samples()}
    assert found == {
        "search_api_elasticsearch_limit": after,
        "search_api_elasticsearch_in_flight": 0,
        "search_api_shed_total": 0,
    }


def test_beyond_the_limit_none_waits():
    gate = Turnstile(ConcurrencySettings(initial=4, least=4), HandClock())
    held = [gate.ticket() for _ in range(4)]
    for one in held:
        one.__enter__()
    with pytest.raises(Overloaded), gate.ticket():
        pass
    held.pop().__exit__(None, None, None)
    with gate.ticket():
        pass
    assert {one.metric.name: one.value for one in gate.samples()}["search_api_shed_total"] == 1


class Server:
    """So many threads with a queue before them, and a time for each search: more clients make it slower, not faster."""

    def __init__(self, threads, seconds):
        self._threads, self.seconds = asyncio.Semaphore(threads), seconds

    async def search(self):
        async with self._threads:
            await asyncio.sleep(self.seconds)


async def flood(gates, server, rate, seconds):
    """Send `rate` searches a second through each gate for so long; return latencies and refusals of each gate."""
    loop = asyncio.get_running_loop()
    found = [([], []) for _ in gates]

    async def one(gate, latencies, shed):
        began = loop.time()
        try:
            with gate.ticket():
                await server.search()
            latencies.append(loop.time() - began)
        except Overloaded:
            shed.append(began)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(round(rate * seconds)):
            for gate, (latencies, shed) in zip(gates, found, strict=True):
                tasks.create_task(one(gate, latencies, shed))
            await asyncio.sleep(1 / rate)
    return found


@in_virtual_time
async def test_twice_the_load_is_shed_and_the_rest_stays_fast_and_full():
    server, gate = Server(8, 0.02), Turnstile(ConcurrencySettings(slow_ms=100), LoopClock())
    await flood([gate], server, 800, 5)
    ((latencies, shed),) = await flood([gate], server, 800, 20)
    assert len(latencies) / 20 > 400 * 0.95
    assert max(latencies) < 0.2
    assert len(shed) > 0.45 * 800 * 20


@in_virtual_time
async def test_below_capacity_nothing_is_shed():
    server, gate = Server(8, 0.02), Turnstile(ConcurrencySettings(slow_ms=100), LoopClock())
    ((latencies, shed),) = await flood([gate], server, 380, 20)
    assert shed == []
    assert max(latencies) < 0.03


@in_virtual_time
async def test_it_follows_a_server_that_becomes_slower_and_comes_back():
    server, gate = Server(8, 0.02), Turnstile(ConcurrencySettings(slow_ms=100), LoopClock())
    await flood([gate], server, 380, 2)
    server.seconds = 0.08
    await flood([gate], server, 380, 10)
    ((latencies, _),) = await flood([gate], server, 380, 10)
    assert statistics.median(latencies) < 0.15
    assert len(latencies) / 10 > 100 * 0.9
    server.seconds = 0.02
    await flood([gate], server, 380, 5)
    ((latencies, shed),) = await flood([gate], server, 380, 5)
    assert shed == []


@in_virtual_time
async def test_two_instances_come_to_equal_shares():
    server = Server(8, 0.02)
    settings = [ConcurrencySettings(initial=initial, slow_ms=100) for initial in (60, 6)]
    gates = [Turnstile(one, LoopClock()) for one in settings]
    await flood(gates, server, 600, 60)
    found = await flood(gates, server, 600, 20)
    first, second = (len(latencies) for latencies, _ in found)
    assert 0.7 < first / second < 1.4
