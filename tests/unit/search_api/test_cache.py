"""The cache of query tokens: one inference for all who ask the same, bounded, and no error is kept."""

import asyncio

import pytest

from search_api.cache import Cache
from search_api.errors import InferenceUnavailable
from search_api.expansion import Expansion
from search_api.settings import ExpansionSettings
from tests.unit.search_api.fakes import FakeClock, FakeDoor


class Slow:
    """Computes when the test says so."""

    def __init__(self):
        self.asked, self.answers = [], {}

    async def __call__(self, key):
        self.asked.append(key)
        return await self.answers.setdefault(key, asyncio.get_running_loop().create_future())


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def slow():
    return Slow()


async def started(slow, count):
    async with asyncio.timeout(5):
        while len(slow.asked) < count:  # noqa: ASYNC110 - the loop runs what was scheduled
            await asyncio.sleep(0)


async def test_all_who_ask_the_same_at_once_share_one_computation(slow, clock):
    cache = Cache(slow, clock, entries=10, ttl_s=60)
    waiting = [asyncio.create_task(cache.get("a")) for _ in range(5)]
    await started(slow, 1)
    slow.answers["a"].set_result(1)
    assert await asyncio.gather(*waiting) == [1] * 5
    assert await cache.get("a") == 1
    assert slow.asked == ["a"]
    assert cache.counts == {"computed": 1, "shared": 4, "cached": 1}


async def test_a_value_lives_for_its_time(slow, clock):
    cache = Cache(slow, clock, entries=10, ttl_s=60)
    first = asyncio.create_task(cache.get("a"))
    await started(slow, 1)
    slow.answers.pop("a").set_result(1)
    assert await first == 1
    clock.now += 59.9
    assert await cache.get("a") == 1
    clock.now += 0.2
    again = asyncio.create_task(cache.get("a"))
    await started(slow, 2)
    slow.answers["a"].set_result(2)
    assert await again == 2


async def test_the_least_recently_used_leaves_first(clock):
    asked = []

    async def compute(key):
        asked.append(key)
        return key

    cache = Cache(compute, clock, entries=2, ttl_s=60)
    for key in ("a", "b", "a", "c", "a", "b"):
        await cache.get(key)
    assert asked == ["a", "b", "c", "b"]
    assert len(cache) == 2


async def test_an_error_reaches_all_who_wait_and_is_not_kept(slow, clock):
    cache = Cache(slow, clock, entries=10, ttl_s=60)
    waiting = [asyncio.create_task(cache.get("a")) for _ in range(2)]
    await started(slow, 1)
    slow.answers.pop("a").set_exception(ValueError("down"))
    assert [type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)] == [ValueError] * 2
    again = asyncio.create_task(cache.get("a"))
    await started(slow, 2)
    slow.answers["a"].set_result(1)
    assert await again == 1


async def test_a_client_that_goes_away_does_not_end_it_for_others(slow, clock):
    cache = Cache(slow, clock, entries=10, ttl_s=60)
    gone, stays = (asyncio.create_task(cache.get("a")) for _ in range(2))
    await started(slow, 1)
    gone.cancel()
    slow.answers["a"].set_result(1)
    assert await stays == 1
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_close_gives_up_what_runs(slow, clock):
    cache = Cache(slow, clock, entries=10, ttl_s=60)
    waiting = asyncio.create_task(cache.get("a"))
    await started(slow, 1)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_tokens_are_kept_by_endpoint_and_text(clock):
    door = FakeDoor()
    expansion = Expansion(door.infer, clock, ExpansionSettings())
    assert await expansion.tokens("a", "red fox") == {"fox": 1.0, "red": 1.0}
    await expansion.tokens("a", "red fox")
    await expansion.tokens("b", "red fox")
    assert door.inferences == [("a", "red fox"), ("b", "red fox")]
    values = {(sample.metric.name, *sample.labels): sample.value for sample in expansion.samples()}
    assert values == {
        ("search_api_expansions_total", "cached"): 1,
        ("search_api_expansions_total", "shared"): 0,
        ("search_api_expansions_total", "computed"): 2,
        ("search_api_expansion_entries",): 2,
    }


async def test_an_encoder_that_comes_back_is_asked_again(clock):
    door = FakeDoor()
    expansion = Expansion(door.infer, clock, ExpansionSettings())
    door.infer_error = InferenceUnavailable()
    with pytest.raises(InferenceUnavailable):
        await expansion.tokens("a", "fox")
    door.infer_error = None
    assert await expansion.tokens("a", "fox") == {"fox": 1.0}
