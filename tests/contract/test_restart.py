"""What comes back after the node has ended, in good order or not."""

import asyncio

import pytest

from tests.contract.children import alive, encoders
from tests.contract.sandbox import until


@pytest.fixture(params=["stop", "kill"])
def end(request, stack):
    """Ends the node while requests wait; the other parts of the stack go on."""
    return getattr(stack.elasticsearch, request.param)


async def test_deployments_endpoints_and_documents_come_back_with_counters_at_zero(sandbox, stack, end):
    times = {"base_ms": 3, "ms_per_token": 0, "sigma": 0}
    others = encoders(stack.elasticsearch.pid)
    synthetic = await sandbox.deployment(times=times, queue_capacity=9, number_of_allocations=2, cache_size="1mb")
    limits = {"enabled": True, "min_number_of_allocations": 2, "max_number_of_allocations": 3}
    adaptive = await sandbox.launch(adaptive_allocations=limits, local={"nodes": 2})
    encoder = await sandbox.deployment(".elser_model_2")
    own = encoders(stack.elasticsearch.pid) - others
    index, pipeline = await sandbox.index(), await sandbox.pipeline(encoder.id)
    assert [item["status"] for item in await sandbox.bulk(index, ["a", "b"], pipeline)] == [201, 201]
    tokens = await encoder.infer("the same text")
    await synthetic.infer("a", "b")
    await sandbox.fault("stall", deployment=encoder.id)
    waiting = sandbox.background(sandbox.bulk(index, ["c"], pipeline))
    await encoder.await_pending(1)

    end()
    (lost,) = await gathered(waiting)
    assert lost is not None
    await until(lambda: all_gone(own), "the end of the encoder processes")
    stack.elasticsearch.start()

    for deployment in (synthetic, encoder):
        await deployment.await_state("started")
        node = await deployment.node()
        assert (node["inference_count"], node["number_of_pending_requests"]) == (0, 0)
        assert "inference_count" not in await deployment.stats()
    stats = await synthetic.stats()
    kept = (stats["queue_capacity"], stats["number_of_allocations"], stats["cache_size"])
    assert kept == (9, 2, "1mb")
    await adaptive.await_state("started")
    assert (await adaptive.stats())["adaptive_allocations"] == limits
    assert [node["number_of_allocations"] for node in await adaptive.nodes()] == [1, 1]
    await synthetic.infer("a")
    assert (await synthetic.node())["average_inference_time_ms"] == 3.0
    assert await encoder.infer("the same text") == tokens
    await sandbox.client.indices.refresh(index=index)
    assert (await sandbox.client.count(index=index, query={"exists": {"field": "tokens"}}))["count"] == 2
    assert [item["status"] for item in await sandbox.bulk(index, ["a", "b"], pipeline)] == [200, 200]


async def gathered(*tasks):
    """Return the errors with which tasks have ended, None for the others."""
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return [result if isinstance(result, Exception) else None for result in results]


async def all_gone(pids):
    return not any(alive(pid) for pid in pids)
