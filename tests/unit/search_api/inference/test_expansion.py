"""Tokens of queries in virtual time: kept by model and text, shared, within a budget, behind a breaker."""

import asyncio

import pytest

from search_api.errors import InferenceUnavailable, QueryNotEncodable
from search_api.inference.expansion import Expansion
from search_api.settings import BreakerSettings, ExpansionSettings
from streamer.errors import ElasticUnavailable
from tests.fakes.clock import LoopClock, in_virtual_time

SETTINGS = ExpansionSettings(
    budget_ms=500,
    concurrent=4,
    ttl_s=100,
    model_check_s=60,
    breaker=BreakerSettings(failures=3, share=0.5, window_s=10, open_s=2),
)
BUDGET_S = 0.5


class Encoder:
    """A door that takes `seconds` for an inference."""

    def __init__(self):
        self.seconds, self.error = 0.1, None
        self.asked, self.models, self.model_error = [], {}, None
        self.looks = 0

    async def infer(self, endpoint, text):
        self.asked.append((endpoint, text))
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        return {text: 1.0}

    async def model(self, endpoint):
        self.looks += 1
        if self.model_error:
            raise self.model_error
        return self.models.get(endpoint, "elser")


def made():
    encoder = Encoder()
    return encoder, Expansion(encoder, LoopClock(), SETTINGS)


def counts(expansion):
    return {(one.metric.name.removeprefix("search_api_"), *one.labels): one.value for one in expansion.samples()}


def now():
    return asyncio.get_running_loop().time()


async def refused(expansion, text, within_s=BUDGET_S):
    """Return how long it took to learn that there are no tokens."""
    began = now()
    with pytest.raises(InferenceUnavailable):
        await expansion.tokens("a", text, within_s)
    return now() - began


async def opened(encoder, expansion):
    encoder.error = InferenceUnavailable()
    for number in range(3):
        await refused(expansion, f"fails {number}")
    encoder.error = None
    assert counts(expansion)["breaker_open_ratio", "a"] == 1
    encoder.asked.clear()


@in_virtual_time
async def test_tokens_are_kept_by_model_and_text():
    encoder, expansion = made()
    encoder.models["c"] = "another"
    for endpoint in ("a", "a", "b", "c"):
        assert await expansion.tokens(endpoint, "fox", BUDGET_S) == {"fox": 1.0}
    assert encoder.asked == [("a", "fox"), ("c", "fox")]
    found = counts(expansion)
    assert (found["expansions_total", "cached"], found["expansions_total", "computed"]) == (2, 2)
    assert found["expansion_entries",] == 2


@in_virtual_time
async def test_a_model_that_changes_is_asked_within_the_time_it_may_go_unnoticed():
    encoder, expansion = made()
    await expansion.tokens("a", "fox", BUDGET_S)
    encoder.models["a"] = "newer"
    await asyncio.sleep(59)
    await expansion.tokens("a", "fox", BUDGET_S)
    assert len(encoder.asked) == 1
    await asyncio.sleep(2)
    await expansion.tokens("a", "fox", BUDGET_S)
    assert len(encoder.asked) == 2


@in_virtual_time
async def test_a_model_that_cannot_be_looked_up_is_the_last_known_one():
    encoder, expansion = made()
    await expansion.tokens("a", "fox", BUDGET_S)
    encoder.model_error = ElasticUnavailable()
    await asyncio.sleep(61)
    await expansion.tokens("a", "fox", BUDGET_S)
    assert encoder.looks == 2
    assert len(encoder.asked) == 1


@in_virtual_time
async def test_an_endpoint_stands_for_its_model_where_that_is_not_told():
    encoder, expansion = made()
    encoder.model_error = InferenceUnavailable()
    for _ in range(2):
        await expansion.tokens("a", "fox", BUDGET_S)
    await expansion.tokens("b", "fox", BUDGET_S)
    assert encoder.asked == [("a", "fox"), ("b", "fox")]


@in_virtual_time
async def test_who_asks_the_same_at_once_shares_and_who_leaves_takes_nothing_away():
    encoder, expansion = made()
    waiting = [asyncio.create_task(expansion.tokens("a", "fox", BUDGET_S)) for _ in range(50)]
    await asyncio.sleep(0.05)
    for gone in waiting[::2]:
        gone.cancel()
    assert await asyncio.gather(*waiting[1::2]) == [{"fox": 1.0}] * 25
    assert len(encoder.asked) == 1


@in_virtual_time
async def test_a_search_waits_for_its_budget_and_the_tokens_are_for_the_next():
    encoder, expansion = made()
    encoder.seconds = 0.8
    assert await refused(expansion, "fox") == pytest.approx(0.5)
    assert await refused(expansion, "fox", 0.1) == pytest.approx(0.1)
    await asyncio.sleep(0.3)
    assert await expansion.tokens("a", "fox", BUDGET_S) == {"fox": 1.0}
    assert len(encoder.asked) == 1
    assert counts(expansion)["expansion_failures_total", "slow"] == 2


@in_virtual_time
async def test_the_slow_open_the_breaker_while_they_are_still_running():
    encoder, expansion = made()
    encoder.seconds = 60
    await asyncio.gather(*(refused(expansion, f"slow {number}") for number in range(3)))
    assert counts(expansion)["breaker_open_ratio", "a"] == 1
    assert await refused(expansion, "another") == 0
    assert len(encoder.asked) == 3
    await expansion.close()


@in_virtual_time
async def test_an_open_breaker_costs_nothing_spares_the_encoder_and_serves_what_is_kept():
    encoder, expansion = made()
    await expansion.tokens("a", "kept", BUDGET_S)
    await opened(encoder, expansion)
    for number in range(100):
        assert await refused(expansion, f"more {number}") == 0
    assert await expansion.tokens("a", "kept", BUDGET_S) == {"kept": 1.0}
    assert encoder.asked == []
    assert counts(expansion)["expansion_failures_total", "open"] == 100


@in_virtual_time
async def test_it_tries_one_query_and_closes_by_itself():
    encoder, expansion = made()
    await opened(encoder, expansion)
    await asyncio.sleep(2)
    probe = asyncio.create_task(expansion.tokens("a", "probe", BUDGET_S))
    await asyncio.sleep(0.05)
    assert counts(expansion)["breaker_open_ratio", "a"] == 0.5
    assert await refused(expansion, "beside the probe") == 0
    assert await probe == {"probe": 1.0}
    assert counts(expansion)["breaker_open_ratio", "a"] == 0
    assert await expansion.tokens("a", "fox", BUDGET_S) == {"fox": 1.0}
    assert encoder.asked == [("a", "probe"), ("a", "fox")]


@in_virtual_time
async def test_a_probe_whose_client_left_still_decides():
    encoder, expansion = made()
    await opened(encoder, expansion)
    await asyncio.sleep(2)
    probe = asyncio.create_task(expansion.tokens("a", "probe", BUDGET_S))
    await asyncio.sleep(0.05)
    probe.cancel()
    await asyncio.sleep(0.1)
    assert counts(expansion)["breaker_open_ratio", "a"] == 0


@in_virtual_time
async def test_endpoints_fail_apart():
    encoder, expansion = made()
    await opened(encoder, expansion)
    assert await expansion.tokens("b", "fox", BUDGET_S) == {"fox": 1.0}


@in_virtual_time
async def test_a_text_that_is_refused_is_no_failure_of_the_encoder():
    encoder, expansion = made()
    encoder.error = QueryNotEncodable()
    for number in range(20):
        await refused(expansion, f"odd {number}")
    assert counts(expansion)["breaker_open_ratio", "a"] == 0


@in_virtual_time
async def test_inferences_at_a_time_are_bounded():
    _, expansion = made()
    waiting = [asyncio.create_task(expansion.tokens("a", str(number), BUDGET_S)) for number in range(4)]
    await asyncio.sleep(0.05)
    assert await refused(expansion, "one too many") == 0
    assert counts(expansion)["expansion_failures_total", "busy"] == 1
    await asyncio.gather(*waiting)
    assert await expansion.tokens("a", "again", BUDGET_S) == {"again": 1.0}


@in_virtual_time
async def test_an_error_reaches_all_who_share_and_is_not_kept():
    encoder, expansion = made()
    encoder.error = InferenceUnavailable()
    await asyncio.gather(*(refused(expansion, "fox") for _ in range(5)))
    encoder.error = None
    assert await expansion.tokens("a", "fox", BUDGET_S) == {"fox": 1.0}
