"""The synthetic model: times that can be computed, the same for the same text, and as many at once as allocations."""

import math
import statistics
import time

import pytest

from tests.contract.sandbox import BY_THE_WORD, JSON_HEADERS, LONG, refusal

TOKENS = 512
"""What ELSER looks at of a text."""


async def time_of(deployment, text):
    """Return the model's own time for a text, in whole milliseconds."""
    before = await total_ms(deployment)
    await deployment.infer(text)
    return round(await total_ms(deployment) - before)


async def total_ms(deployment):
    node = await deployment.node()
    return node.get("average_inference_time_ms", 0.0) * node["inference_count"]


async def test_the_time_is_base_and_tokens(sandbox):
    deployment = await sandbox.deployment(times={"base_ms": 20, "ms_per_token": 2, "sigma": 0})
    assert await time_of(deployment, "one") == 22
    assert await time_of(deployment, "one two three") == 26
    assert await time_of(deployment, "word " * 30) == 80
    began = time.monotonic()
    await deployment.infer("word " * 30)
    assert time.monotonic() - began >= 0.08


async def test_the_time_stops_growing_where_elser_truncates(sandbox):
    deployment = await sandbox.deployment(times={"base_ms": 0, "ms_per_token": 0.25, "sigma": 0})
    assert await time_of(deployment, "word " * TOKENS) == 128
    assert await time_of(deployment, "word " * 2 * TOKENS) == 128
    whole, cut = await deployment.infer("word " * TOKENS, "word " * (TOKENS + 1))
    assert (whole["is_truncated"], cut["is_truncated"]) == (False, True)


async def test_the_jitter_belongs_to_the_text(sandbox):
    sigma = 0.3
    times = {"base_ms": 0, "ms_per_token": 100, "sigma": sigma}
    first, second = await sandbox.deployment(times=times), await sandbox.deployment(times=times)
    texts = [f"text-{number}" for number in range(16)]
    found = [await time_of(first, text) for text in texts]
    assert [await time_of(second, text) for text in texts] == found
    assert len(set(found)) > len(found) / 2
    logarithms = [math.log(one / 100) for one in found]
    # Four standard errors of 16 draws; the draws are the same for ever.
    assert abs(statistics.mean(logarithms)) < 4 * sigma / math.sqrt(len(texts))
    assert sigma / 3 < statistics.stdev(logarithms) < sigma * 2


async def test_without_sigma_there_is_no_jitter(sandbox):
    deployment = await sandbox.deployment(times={"base_ms": 40, "ms_per_token": 0, "sigma": 1})
    assert {await time_of(deployment, f"text-{number}") for number in range(5)} == {40}


async def test_times_change_live_and_are_shown(sandbox):
    deployment = await sandbox.deployment(times={"base_ms": 5, "ms_per_token": 0, "sigma": 0})
    assert await time_of(deployment, "text") == 5
    await deployment.synthetic(base_ms=35)
    assert await time_of(deployment, "text") == 35
    path = f"/_local/synthetic/{deployment.id}"
    shown = await sandbox.client.perform_request("GET", path, headers=JSON_HEADERS)
    assert shown.body == {"base_ms": 35.0, "ms_per_token": 0.0, "sigma": 0.0}


@pytest.mark.parametrize("wrong", [{"base_ms": -1}, {"sigma": "much"}, {"milliseconds": 3}])
async def test_times_that_make_no_sense_are_refused(sandbox, wrong):
    deployment = await sandbox.deployment()
    status, kind, _ = await refusal(deployment.synthetic(**wrong))
    assert (status, kind) == (400, "illegal_argument_exception")


async def test_the_answer_is_the_words_of_the_text(sandbox):
    deployment = await sandbox.deployment()
    (found,) = await deployment.infer("One two TWO 3.5")
    assert found["embedding"] == {"one": 1.0, "two": pytest.approx(1 + math.log(2)), "3__5": 1.0}


async def test_sixty_four_allocations_are_busy_at_once(sandbox):
    deployment = await sandbox.deployment(times=BY_THE_WORD, number_of_allocations=64, queue_capacity=1)
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    sandbox.background(sandbox.bulk(index, [LONG] * 70, pipeline))
    # 64 are being computed and one waits in the only slot, so five of 70 are refused.
    await deployment.await_node(number_of_pending_requests=65, rejected_execution_count=5, number_of_allocations=64)


async def test_sixty_four_allocations_take_two_rounds_for_twice_as_many(sandbox):
    deployment = await sandbox.deployment(
        times={"base_ms": 400, "ms_per_token": 0, "sigma": 0}, number_of_allocations=64
    )
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    began = time.monotonic()
    items = await sandbox.bulk(index, ["text"] * 128, pipeline)
    elapsed = time.monotonic() - began
    assert [item["status"] for item in items] == [201] * 128
    assert 0.8 <= elapsed < 128 * 0.4 / 8
    assert (await deployment.node())["average_inference_time_ms"] == 400
