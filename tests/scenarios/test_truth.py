"""The simulated deployment is held to the local ML node: the same scenarios, clients and documents, in real time.

The synthetic model there waits as long as the simulation says, so that a minute of each must come out alike: how busy
the allocations are, how long bulks take (a client does not see the queue itself), and how many documents are refused.
"""

import asyncio

import pytest
from elasticsearch import AsyncElasticsearch

from streamer.admission.capacity import capacity_of
from tests.contract.sandbox import Sandbox, items_of
from tests.scenarios.case import Case
from tests.scenarios.documents import text_of
from tests.scenarios.measure import Measured, quantile
from tests.scenarios.node import DEPLOYMENT
from tests.scenarios.policies import POLICIES, fixed
from tests.scenarios.server import Server
from tests.scenarios.source import Source
from tests.scenarios.world import play

pytestmark = pytest.mark.timeout(600)

SECONDS = 60
EIGHT = {"allocations": 8}
MIXED = [{"mixed": [{"share": 0.9, "tokens": 64}, {"share": 0.1, "tokens": 512}]}]
SCENARIOS = {
    "ours": (POLICIES["ours"], {"server": EIGHT}),
    "ours, one allocation": (POLICIES["ours"], {"server": {"allocations": 1}, "documents": [{"tokens": 64}]}),
    "ours, more allocations": (
        POLICIES["ours"],
        {"server": {"allocations": 4}, "events": [{"at": 20, "allocations": 8}]},
    ),
    "ours, mixed lengths": (POLICIES["ours"], {"server": EIGHT, "documents": MIXED}),
    "too few in flight": (fixed(6), {"server": EIGHT}),
    "a queue of a minute": (POLICIES["Logstash"], {"server": EIGHT, "documents": [{"tokens": 100}]}),
    "a small queue": (POLICIES["streaming_bulk"], {"server": EIGHT | {"queue_capacity": 64}}),
}


class Real(Server):
    """The local ML node in the place of the simulated one."""

    def __init__(self, case, measured, client, deployment, index, pipeline):
        super().__init__(case, measured)
        self._client, self._deployment, self._index_name, self._pipeline = client, deployment, index, pipeline

    def bulk(self, documents, client, *, ours=True):
        return asyncio.ensure_future(self._send(documents, client))

    async def _send(self, documents, client):
        began, operations = self.now, []
        for document in documents:
            self.lengthener.sent(document, self.now)
            operations += [{"index": {"_id": document.name}}, {"text": text_of(document.name, document.tokens)}]
        answer = await self._client.bulk(
            index=self._index_name,
            operations=operations,
            pipeline=self._pipeline,
            filter_path="items.*.status,items.*.error",
        )
        errors = [(item["status"], item.get("error")) for item in items_of(answer)]
        outcomes = [(status, error["type"], error["reason"]) if error else None for status, error in errors]
        self.measured.bulks.append(self.now - began)
        self._index(documents, outcomes, client)
        return outcomes

    async def statistics(self):
        answer = (await self._client.ml.get_trained_models_stats(model_id=self._deployment.id)).body
        answer["trained_model_stats"][0]["deployment_stats"]["deployment_id"] = DEPLOYMENT
        return answer

    async def worked_s(self):
        return capacity_of(await self.statistics(), DEPLOYMENT).worked_ms / 1_000


def case_of(fields):
    return Case.model_validate({"why": "held to the local node", "seconds": SECONDS, "expect": {}} | fields)


async def played_really(client, sandbox, policy, case):
    """Play a scenario on the local node; return busy share and what was measured."""
    server, times = case.server, case.server.service.model_dump()
    deployment = await sandbox.deployment(
        times=times, number_of_allocations=server.allocations, queue_capacity=server.queue_capacity
    )
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    measured = Measured(case.seconds)
    real = Real(case, measured, client, deployment, index, pipeline)
    clients = policy.clients(real, Source(case, real))

    async def happen():
        async with asyncio.TaskGroup() as tasks:
            await clients.join("client-1", tasks)
            for event in case.events:
                await asyncio.sleep(event.at - real.now)
                await deployment.scale(event.allocations)
                real.measured.allocations.to(real.now, event.allocations)

    acts = asyncio.create_task(happen())
    done, _ = await asyncio.wait([acts], timeout=case.seconds)
    assert not done, acts.exception()
    worked_s = await real.worked_s()
    measured.finish()
    acts.cancel()
    await asyncio.wait([acts])
    return worked_s / sum(measured.allocations.bins), measured


def differences(name, simulated, busy, real):
    """Return a line for each figure in which both are further apart than they may be."""
    refused, of = simulated["rejections"] / 1_000, real.rejections / max(1, real.indexed)
    pairs = [
        ("busy share", simulated["busy"], busy, 0.03),
        (
            "bulk p50",
            quantile(simulated.measured.bulks, 0.5),
            quantile(real.bulks, 0.5),
            0.1 * quantile(real.bulks, 0.5),
        ),
        (
            "bulk p99",
            quantile(simulated.measured.bulks, 0.99),
            quantile(real.bulks, 0.99),
            0.2 * quantile(real.bulks, 0.99),
        ),
        ("refused for each that is indexed", refused, of, max(0.1 * of, 0.02)),
    ]
    return [
        f"{name}: {what} {ours:.3f} simulated, {theirs:.3f} really"
        for what, ours, theirs, allowed in pairs
        if abs(ours - theirs) > allowed
    ]


async def test_a_minute_of_each_comes_out_alike(stack):
    async with AsyncElasticsearch(
        stack.elasticsearch_url, max_retries=0, request_timeout=300, connections_per_node=200
    ) as client:
        sandbox = Sandbox(client)
        try:
            works = [played_really(client, sandbox, policy, case_of(fields)) for policy, fields in SCENARIOS.values()]
            really = await asyncio.gather(*works)
        finally:
            await sandbox.close()
    simulated = [await asyncio.to_thread(play, case_of(fields), policy) for policy, fields in SCENARIOS.values()]
    found = [
        line
        for name, one, (busy, real) in zip(SCENARIOS, simulated, really, strict=True)
        for line in differences(name, one, busy, real)
    ]
    assert found == [], "\n".join(found)
