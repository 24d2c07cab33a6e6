"""The cache: one computation for all who ask the same, bounded, and no error is kept."""

import asyncio

import pytest

from search_api.inference.cache import Cache
from tests.fakes.clock import HandClock


class Slow:
    """Computes when the test says so."""

    def __init__(self):
        self.asked, self.answers = [], {}

    def of(self, key):
        return lambda: self._compute(key)

    async def _compute(self, key):
        self.asked.append(key)
        return await self.answers.setdefault(key, asyncio.get_running_loop().create_future())


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def slow():
    return Slow()


async def started(slow, count):
    async with asyncio.timeout(5):
        while len(slow.asked) < count:  # noqa: ASYNC110 - the loop runs what was scheduled
            await asyncio.sleep(0)


async def test_all_who_ask_the_same_at_once_share_one_computation(slow, clock):
    cache = Cache(clock, entries=10, ttl_s=60)
    waiting = [asyncio.create_task(cache.get("a", slow.of("a"))) for _ in range(5)]
    await started(slow, 1)
    slow.answers["a"].set_result(1)
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await cache.get("a", slow.of("a")) == 1
    assert slow.asked == ["a"]
    assert cache.counts == {"computed": 1, "shared": 4, "cached": 1}


async def test_a_value_lives_for_its_time(slow, clock):
    cache = Cache(clock, entries=10, ttl_s=60)
    first = asyncio.create_task(cache.get("a", slow.of("a")))
    await started(slow, 1)
    slow.answers.pop("a").set_result(1)
    assert await first == 1
    clock.now += 59.9
    assert await cache.get("a", slow.of("a")) == 1
    clock.now += 0.2
    again = asyncio.create_task(cache.get("a", slow.of("a")))
    await started(slow, 2)
    slow.answers["a"].set_result(2)
    assert await again == 2


async def test_the_least_recently_used_leaves_first(clock):
    asked = []

    async def compute(key):
        asked.append(key)
        return key

    cache = Cache(clock, entries=2, ttl_s=60)
    for key in ("a", "b", "a", "c", "a", "b"):
        await cache.get(key, lambda key=key: compute(key))
    assert asked == ["a", "b", "c", "b"]
    assert len(cache) == 2


async def test_an_error_reaches_all_who_wait_and_is_not_kept(slow, clock):
    cache = Cache(clock, entries=10, ttl_s=60)
    waiting = [asyncio.create_task(cache.get("a", slow.of("a"))) for _ in range(2)]
    await started(slow, 1)
    slow.answers.pop("a").set_exception(ValueError("down"))
    assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [ValueError] * 2
    again = asyncio.create_task(cache.get("a", slow.of("a")))
    await started(slow, 2)
    slow.answers["a"].set_result(1)
    assert await again == 1


async def test_a_client_that_goes_away_does_not_end_it_for_others(slow, clock):
    cache = Cache(clock, entries=10, ttl_s=60)
    gone, stays = (asyncio.create_task(cache.get("a", slow.of("a"))) for _ in range(2))
    await started(slow, 1)
    gone.cancel()
    slow.answers["a"].set_result(1)
    assert await stays == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_close_gives_up_what_runs(slow, clock):
    cache = Cache(clock, entries=10, ttl_s=60)
    waiting = asyncio.create_task(cache.get("a", slow.of("a")))
    await started(slow, 1)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_what_start_raises_reaches_its_caller_alone(slow, clock):
    cache = Cache(clock, entries=10, ttl_s=60)

    def refuse():
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        await cache.get("a", refuse)
    assert cache.running == 0
    waiting = asyncio.create_task(cache.get("a", slow.of("a")))
    await started(slow, 1)
    assert cache.running == 1
    joined = asyncio.create_task(cache.get("a", refuse))
    await asyncio.sleep(0)
    slow.answers["a"].set_result(1)
    assert await asyncio.gather(waiting, joined) == [1, 1]
    assert cache.counts == {"computed": 1, "shared": 1, "cached": 0}
