"""What a node says whose memory is all but used: its own limits, not faults that play them."""

from collections.abc import AsyncIterator, Iterator

import pytest
from elasticsearch import AsyncElasticsearch

from compose.local.stack import Stack
from streamer.delivery.outcome import Action, Answer, Layer, judge
from tests.contract.sandbox import Sandbox, error_of, items_of, refusal

LIMIT, PRIMARY, OPERATION = 16_384, 24_576, 8_192
SIZE = 3_000
"""Of a text. Its shard counts four times as much while it parses the document."""


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a node that takes next to nothing at a time."""
    settings = {
        "indexing_pressure.memory.coordinating.limit": f"{LIMIT}b",
        "indexing_pressure.memory.primary.limit": f"{PRIMARY}b",
        "indexing_pressure.memory.max_operation_size": f"{OPERATION}b",
    }
    with Stack(tmp_path_factory.mktemp("tight"), elasticsearch_settings=settings) as stack:
        yield stack.elasticsearch_url


@pytest.fixture
async def client(tight: str) -> AsyncIterator[AsyncElasticsearch]:
    async with AsyncElasticsearch(tight, max_retries=0, request_timeout=60) as client:
        yield client


def verdict(layer, error):
    found = judge(Answer(layer, *error))
    return found.action, found.reason


def documents(index: str, count: int, size: int) -> list[dict[str, object]]:
    return [line for _ in range(count) for line in ({"index": {"_index": index}}, {"text": "x" * size})]


async def test_a_request_above_the_whole_allowance_is_split(sandbox: Sandbox) -> None:
    index = await sandbox.index()
    error = await refusal(sandbox.client.bulk(operations=documents(index, 6, SIZE)))
    assert error[:2] == (429, "es_rejected_execution_exception")
    assert error[2].startswith("rejected execution of coordinating operation [coordinating_and_primary_bytes=0, ")
    assert error[2].endswith(f", max_coordinating_bytes={LIMIT}]")
    assert verdict(Layer.REQUEST, error) == (Action.SPLIT, "too_large")


async def test_an_item_above_its_shards_whole_allowance_is_split(sandbox: Sandbox) -> None:
    index = await sandbox.index()
    (item,) = items_of(await sandbox.client.bulk(operations=documents(index, 1, 7_000)))
    error = error_of(item)
    assert error[:2] == (429, "es_rejected_execution_exception")
    assert error[2].startswith("rejected execution of primary operation [coordinating_and_primary_bytes=7")
    assert error[2].endswith(f", max_primary_bytes={PRIMARY}]")
    assert verdict(Layer.ITEM, error) == (Action.SPLIT, "too_large")


async def test_a_request_that_meets_others_waits(sandbox: Sandbox) -> None:
    """What waits for its inference is in the coordinating node's memory all the while."""
    deployment, index = await sandbox.deployment(), await sandbox.index()
    pipeline = await sandbox.pipeline(deployment.id)
    fault = await sandbox.fault("stall", deployment=deployment.id)
    first = sandbox.background(sandbox.bulk(index, ["a " * (SIZE // 2)], pipeline))
    await deployment.await_pending(1)
    error = await refusal(sandbox.client.bulk(operations=documents(index, 5, SIZE)))
    assert error[2].startswith("rejected execution of coordinating operation [coordinating_and_primary_bytes=3")
    assert verdict(Layer.REQUEST, error) == (Action.RETRY, "indexing_pressure")
    await sandbox.heal(fault)
    assert [item["status"] for item in await first] == [201]


async def test_a_document_above_the_limit_of_one_takes_its_shards_items_along(sandbox: Sandbox) -> None:
    index = await sandbox.index()
    operations = documents(index, 1, 10) + documents(index, 1, OPERATION)
    errors = [error_of(item) for item in items_of(await sandbox.client.bulk(operations=operations))]
    assert len(errors) == 2
    for error in errors:
        assert error[:2] == (429, "es_rejected_execution_exception")
        assert error[2].startswith("Request contains an operation of size [")
        assert verdict(Layer.ITEM, error) == (Action.SPLIT, "too_large")


@pytest.mark.parametrize(
    ("setting", "name"),
    [("network.breaker.inflight_requests.limit", "inflight_requests"), ("indices.breaker.total.limit", "parent")],
)
async def test_a_breaker_is_waited_for(sandbox: Sandbox, setting: str, name: str) -> None:
    index = await sandbox.index()
    await sandbox.client.cluster.put_settings(persistent={setting: "1kb"})
    try:
        error = await refusal(sandbox.client.bulk(operations=documents(index, 1, SIZE)))
    finally:
        await sandbox.client.cluster.put_settings(persistent={setting: None})
    assert error[:2] == (429, "circuit_breaking_exception")
    assert error[2].startswith(f"[{name}] Data too large, data for [<http_request>] would be [")
    assert verdict(Layer.REQUEST, error) == (Action.RETRY, "circuit_breaker")
