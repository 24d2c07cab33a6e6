"""The local stack's ML node in the place of the simulated deployment: the same scenarios and clients, in real time.

Its synthetic model takes as long as the simulation says. What can't be seen from outside, the wait in its queues and
the exact time of the model, its node tells by `/_local/inferences`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elasticsearch import AsyncElasticsearch

from tests.contract.sandbox import JSON_HEADERS, Deployment, Sandbox, items_of
from tests.scenarios.case import Arrivals, Case, Event
from tests.scenarios.documents import Document, text_of
from tests.scenarios.measure import Measured, quantile
from tests.scenarios.node import DEPLOYMENT
from tests.scenarios.policies import Policy
from tests.scenarios.server import Outcomes, Server
from tests.scenarios.source import Source
from tests.scenarios.world import HAPPENINGS, Result, _life

CONNECTIONS = 200
START = 20
"""Documents that meet an empty queue and a client that knows nothing: they are told apart by milliseconds."""
PROBE_S = 0.25
FLOOR_S = 0.02
"""A wait, or a bulk, may always be so much off: two busy cores have no better clock."""


@dataclass(frozen=True)
class Place:
    """Where a scenario is played."""

    client: AsyncElasticsearch
    sandbox: Sandbox
    deployment: Deployment
    index: str
    pipeline: str


class Real(Server):
    """The local ML node behind the simulated server's door; the simulated nodes only say what there should be."""

    def __init__(self, case: Case, measured: Measured, place: Place) -> None:
        super().__init__(case, measured)
        self._place = place
        self._worked_s = 0.0
        self._lost: dict[int, str] = {}
        """Faults that keep nodes away, by the number of the node."""

    def bulk(self, documents: Sequence[Document], client: str, *, ours: bool = True) -> asyncio.Future[Outcomes]:
        return asyncio.ensure_future(self._send(documents, client))

    async def _send(self, documents: Sequence[Document], client: str) -> Outcomes:
        began, operations = self.now, []
        for document in documents:
            self.lengthener.sent(document, self.now)
            operations += [{"index": {"_id": document.name}}, {"text": text_of(document.name, document.tokens)}]
        answer = await self._place.client.bulk(
            index=self._place.index,
            operations=operations,
            pipeline=self._place.pipeline,
            filter_path="items.*.status,items.*.error",
        )
        errors = [(item["status"], item.get("error")) for item in items_of(answer)]
        outcomes = [(status, error["type"], error["reason"]) if error else None for status, error in errors]
        self.measured.bulks.append(self.now - began)
        self._index(documents, outcomes, client)
        return outcomes

    async def statistics(self) -> dict[str, Any]:
        stats = self._place.client.ml.get_trained_models_stats
        answer: dict[str, Any] = (await stats(model_id=self._place.deployment.id)).body
        answer["trained_model_stats"][0]["deployment_stats"]["deployment_id"] = DEPLOYMENT
        return answer

    # --- what happens

    async def happen(self, event: Event) -> None:
        """Let an event be, here and in the books of what there should be."""
        name, value = event.what
        HAPPENINGS[name](self, value)
        act = getattr(self, f"_{name}", None)
        if act is not None:
            await act(value)

    async def _allocations(self, count: int) -> None:
        await self._place.deployment.scale(count * len(self.nodes))

    async def _speed(self, speed: float) -> None:
        service = self.case.server.service
        times = {"base_ms": service.base_ms / speed, "ms_per_token": service.ms_per_token / speed}
        await self._place.deployment.synthetic(**times)

    async def _lose(self, count: int) -> None:
        await self._keep()
        for number in range(len(self.nodes) + count, len(self.nodes), -1):
            self._lost[number] = await self._fault(number)

    async def _back(self, count: int) -> None:
        for number in sorted(self._lost)[:count]:
            await self._place.sandbox.heal(self._lost.pop(number))

    async def _crash(self, restart_s: float) -> None:
        await self._keep()
        await self._fault(1, seconds=restart_s)

    async def _fault(self, node: int, **keys: float) -> str:
        return await self._place.sandbox.fault("kill_node", node=node, deployment=self._place.deployment.id, **keys)

    # --- what came of it

    async def _keep(self) -> None:
        """Note what nodes have told so far: those that die forget it."""
        path = f"/_local/inferences/{self._place.deployment.id}"
        answer = await self._place.client.perform_request("GET", path, headers=JSON_HEADERS)
        for node in answer.body["nodes"].values():
            self._worked_s += node["worked_ms"] / 1_000
            self.measured.waits += [waited / 1_000 for waited in node["last_waits_ms"]]

    async def busy(self) -> float:
        """Return the part of the allocations' time in use."""
        await self._keep()
        return self._worked_s / sum(self.measured.allocations.bins)


@dataclass(frozen=True)
class Played:
    """What came of a scenario in real time."""

    busy: float
    measured: Measured


async def play_really(client: AsyncElasticsearch, sandbox: Sandbox, policy: Policy, case: Case) -> Played:
    """Play a scenario on the local node, as `world.play` does in virtual time."""
    case = Machine(0.0, 0.0).of(case)  # It adds its own.
    server, times = case.server, case.server.service.model_dump()
    deployment = await sandbox.deployment(
        times=times,
        local={"nodes": server.nodes},
        number_of_allocations=server.allocations * server.nodes,
        queue_capacity=server.queue_capacity,
    )
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    real = Real(case, Measured(case.seconds), Place(client, sandbox, deployment, index, pipeline))
    clients = policy.clients(real, Source(case, real))

    async def happen() -> None:
        async with asyncio.TaskGroup() as tasks:
            places = (some for some in case.clients for _ in range(some.count))
            for number, place in enumerate(places, 1):
                tasks.create_task(_life(f"client-{number}", place, clients, real, tasks))
            for event in case.events:
                await asyncio.sleep(event.at - real.now)
                await real.happen(event)

    acts = asyncio.create_task(happen())
    done, _ = await asyncio.wait([acts], timeout=case.seconds)
    assert not done, acts.exception()
    real.measured.finish()
    busy = await real.busy()
    acts.cancel()
    await asyncio.wait([acts])
    return Played(busy, real.measured)


@dataclass(frozen=True)
class Machine:
    """What this machine adds at present, in milliseconds: to the way of a bulk, and between two inferences."""

    rtt_ms: float
    gap_ms: float

    def of(self, case: Case) -> Case:
        """Return a scenario as it is to be simulated for this machine."""
        server = case.server.model_copy(update={"rtt_ms": self.rtt_ms, "gap_ms": self.gap_ms})
        return case.model_copy(update={"server": server})


async def play_all_really(url: str, scenarios: dict[str, tuple[Policy, Case]]) -> tuple[dict[str, Played], Machine]:
    """Play scenarios at the same time, on deployments of their own; say what the machine added meanwhile."""
    async with AsyncElasticsearch(url, max_retries=0, request_timeout=300, connections_per_node=CONNECTIONS) as client:
        sandbox = Sandbox(client)
        try:
            works = [play_really(client, sandbox, policy, case) for policy, case in scenarios.values()]
            seconds = min(case.seconds for _, case in scenarios.values())
            probes = asyncio.gather(_trips(client, sandbox, seconds), _gaps(client, sandbox, seconds))
            played, (rtt_ms, gap_ms) = await asyncio.gather(asyncio.gather(*works), probes)
            return dict(zip(scenarios, played, strict=True)), Machine(rtt_ms, gap_ms)
        finally:
            await sandbox.close()


async def _trips(client: AsyncElasticsearch, sandbox: Sandbox, seconds: float) -> float:
    """Return how long a bulk of one document takes whose inference takes no time, in milliseconds on average."""
    deployment, index = await sandbox.deployment(), await sandbox.index()
    pipeline, found = await sandbox.pipeline(deployment.id), []
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (began := loop.time()) < end:
        await client.bulk(index=index, operations=[{"index": {}}, {"text": "text"}], pipeline=pipeline)
        found.append(loop.time() - began)
        await asyncio.sleep(PROBE_S)
    return sum(found) / len(found) * 1_000


async def _gaps(client: AsyncElasticsearch, sandbox: Sandbox, seconds: float) -> float:
    """Return how long an allocation is idle between two inferences although documents wait, in milliseconds."""
    count, times = round(seconds / PROBE_S), {"base_ms": PROBE_S * 1_000, "ms_per_token": 0, "sigma": 0}
    deployment = await sandbox.deployment(times=times, queue_capacity=count)
    index, pipeline = await sandbox.index(), await sandbox.pipeline(deployment.id)
    began = asyncio.get_running_loop().time()
    await sandbox.bulk(index, ["text"] * count, pipeline)
    return ((asyncio.get_running_loop().time() - began) / count - PROBE_S) * 1_000


def differences(case: Case, simulated: Sequence[Result], really: Played) -> list[str]:
    """Return a line for each figure that is further from what is simulated, with some seeds, than it may be."""
    seeds = [_figures(case, one.measured, one.measured.busy()) for one in simulated]
    lines = []
    for name, value in _figures(case, really.measured, really.busy).items():
        least, most = min(one[name] for one in seeds), max(one[name] for one in seeds)
        allowed = _allowed(name, value)
        if not least - allowed <= value <= most + allowed:
            lines.append(f"{name}: {least:.3f} to {most:.3f} simulated, {value:.3f} +- {allowed:.3f} really")
    return lines


def _figures(case: Case, measured: Measured, busy: float) -> dict[str, float]:
    refused = measured.rejections / max(1, measured.indexed)
    waits, bulks, freshness = measured.waits[START:], measured.bulks, measured.freshness
    found = {"busy share": busy, "refused for each that is indexed": refused}
    found |= {"wait p50": quantile(waits, 0.5), "wait p99": quantile(waits, 0.99), "bulk p50": quantile(bulks, 0.5)}
    if isinstance(case.arrivals, Arrivals):
        found |= {"freshness p50": quantile(freshness, 0.5), "freshness p99": quantile(freshness, 0.99)}
    return found


def _allowed(name: str, value: float) -> float:
    if name == "busy share":
        return 0.03
    if name.startswith("refused"):
        return max(0.1 * value, 0.02)
    return max((0.1 if "50" in name else 0.2) * value, FLOOR_S)
