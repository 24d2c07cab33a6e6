"""The encoder processes of a deployment live and die together; what a death does to requests, counters and new work."""

import os
import re
import signal

import pytest

from tests.contract.children import encoders
from tests.contract.sandbox import error_of, refusal, until

NEVER_MS = 600_000
DIED = (
    r"Error in inference process: \[inference native process died unexpectedly with failure "
    r"\[\[{id}\] encoder process \[{pid}\] ended with exit code \[137\]\]\]"
)
SHUT_DOWN = (429, "es_rejected_execution_exception", "inference process worker service has shutdown")
ONLY_WHEN_NOT_STARTED = {"node", "routing_state", "peak_throughput_per_minute", "throughput_last_minute"}


@pytest.fixture
def node_pid(stack):
    return stack.elasticsearch.pid


async def test_a_killed_process_takes_its_deployment_along(sandbox, node_pid):
    others = encoders(node_pid)
    deployment = await sandbox.deployment(".elser_model_2", number_of_allocations=2)
    own = encoders(node_pid) - others
    assert len(own) == 2
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    await deployment.infer("one", "two", "three")
    before = await deployment.node()
    fault = await sandbox.fault("slow", deployment=deployment.id, delay_ms=NEVER_MS)
    bulk = sandbox.background(sandbox.bulk(index, ["a", "b", "c", "d", "e", "f"], pipeline))
    await deployment.await_pending(6)

    victim = min(own)
    os.kill(victim, signal.SIGKILL)
    items = await bulk
    # Each process had one text at work and one in its pipe.
    for item in items[:4]:
        status, kind, reason = error_of(item)
        assert (status, kind) == (500, "status_exception")
        assert re.fullmatch(DIED.format(id=deployment.id, pid=victim), reason)
    assert [error_of(item) for item in items[4:]] == [SHUT_DOWN] * 2
    await sandbox.heal(fault)

    # New requests wait for the new processes, and are all that the new counters know.
    assert [item["status"] for item in await sandbox.bulk(index, ["a", "b", "c", "d"], pipeline)] == [201] * 4
    after = await deployment.node()
    assert (before["inference_count"], after["inference_count"]) == (3, 4)
    assert after["start_time"] > before["start_time"]
    await deployment.await_node(number_of_allocations=2)
    replaced = encoders(node_pid)
    assert others <= replaced
    assert not replaced & own


async def test_the_fourth_death_fails_the_deployment(sandbox, node_pid):
    others = encoders(node_pid)
    deployment = await sandbox.deployment(".elser_model_2")
    for _ in range(3):
        (own,) = encoders(node_pid) - others
        os.kill(own, signal.SIGKILL)
        await until(replacement(node_pid, others | {own}), "a new process")
        assert await deployment.infer("text")
    (own,) = encoders(node_pid) - others
    os.kill(own, signal.SIGKILL)
    await deployment.await_state("failed")

    stats = await deployment.stats()
    assert f"encoder process [{own}] ended with exit code [137]" in stats["reason"]
    (node,) = stats["nodes"]
    assert node.keys() == ONLY_WHEN_NOT_STARTED
    assert node["routing_state"] == {"routing_state": "failed", "reason": stats["reason"]}
    failed = (409, "status_exception", f"Trained model [{deployment.id}] is [failed]")
    assert await refusal(deployment.infer("text")) == failed
    assert encoders(node_pid) == others


def replacement(node_pid, known):
    async def found():
        return encoders(node_pid) - known

    return found


async def test_a_deployment_that_stops_leaves_no_process(sandbox, node_pid):
    others = encoders(node_pid)
    deployment = await sandbox.deployment(".elser_model_2", number_of_allocations=2)
    assert len(encoders(node_pid) - others) == 2
    await deployment.scale(1)
    await until(count_is(node_pid, others, 1), "one process less")
    await deployment.scale(2)
    await until(count_is(node_pid, others, 2), "one process more")
    await deployment.stop()
    assert encoders(node_pid) == others


def count_is(node_pid, others, count):
    async def reached():
        return len(encoders(node_pid) - others) == count

    return reached
