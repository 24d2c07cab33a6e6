"""One play of a scenario: the server, the source, all clients, and what came of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from tests.fakes.clock import VirtualLoop
from tests.scenarios.adaptive import Scaler
from tests.scenarios.case import Arrivals, Case, Clients, Event
from tests.scenarios.measure import Measured, quantile
from tests.scenarios.policies import POLICIES, Crowd, Policy
from tests.scenarios.server import Server
from tests.scenarios.source import Source
from tests.scenarios.traffic import searches, stranger, tenant

SAMPLE_S = 1.0


@dataclass(frozen=True)
class Result:
    """What a play came to. Seconds, parts of one, or counts; None where a scenario has nothing of the kind."""

    policy: str
    figures: dict[str, float | None]
    measured: Measured = field(repr=False)
    cpu_s: float

    def __getitem__(self, name: str) -> float | None:
        return self.figures[name]


def play(case: Case, policy: Policy, *, possible: float | None = None) -> Result:
    """Play a scenario to its end. `possible` is the work that could be done, where it depends on who asks for it."""
    began = time.process_time()
    if case.server.adaptive is not None and possible is None:
        possible = play(case, POLICIES["ideal"], possible=1.0).measured.work
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        measured = runner.run(_play(case, policy))
    figures = figures_of(case, measured, measured.possible() if possible is None else possible)
    return Result(policy.name, figures, measured, time.process_time() - began)


def figures_of(case: Case, measured: Measured, possible: float) -> dict[str, float | None]:
    """Return what is told of a play and compared with what a scenario expects."""
    backlog = not isinstance(case.arrivals, Arrivals)
    recoveries = measured.recoveries()
    windows = [window for _, window, _ in measured.windows]
    together = max(one.join for one in case.clients)
    apart = min((one.leave for one in case.clients if one.leave is not None), default=case.seconds)
    return {
        "busy": measured.busy() if backlog else None,
        "goodput": measured.work / (possible or 1.0),
        "rejections": 1_000 * measured.rejections / max(1, measured.indexed),
        "ingest_p50_s": quantile(measured.waits, 0.5),
        "ingest_p99_s": quantile(measured.waits, 0.99),
        "search_p50_ms": 1_000 * quantile(measured.search_waits, 0.5) if case.search else None,
        "search_p99_ms": 1_000 * quantile(measured.search_waits, 0.99) if case.search else None,
        "searches_refused": measured.searches_refused if case.search else None,
        "freshness_p99_s": None if backlog else quantile(measured.freshness, 0.99),
        "recovery_s": max(recoveries) if recoveries and backlog else None,
        "lost": measured.lost,
        "wasted": measured.wasted,
        "fairness": measured.fairness(together, apart) if sum(one.count for one in case.clients) > 1 else None,
        "window": sum(windows) / len(windows) if windows else None,
    }


async def _play(case: Case, policy: Policy) -> Measured:
    measured = Measured(case.seconds)
    server = Server(case, measured)
    source = Source(case, server)
    clients = policy.clients(server, source)
    acts = asyncio.create_task(_all(case, clients, server))
    done, _ = await asyncio.wait([acts], timeout=case.seconds)
    measured.error = repr(acts.exception()) if done and acts.exception() else ""
    measured.lost = clients.lost()
    measured.finish()
    acts.cancel()
    await asyncio.wait([acts])
    return measured


async def _all(case: Case, clients: Crowd, server: Server) -> None:
    """Let everything happen, until cancelled. Raises what ends a client before that."""
    for event in case.events:
        server.loop.call_later(event.at, _happen, server, event)
    for lengths in case.documents[1:]:
        server.loop.call_later(lengths.after, server.measured.changes.append, lengths.after)
    async with asyncio.TaskGroup() as tasks:
        if case.server.adaptive is not None:
            tasks.create_task(Scaler(server, case.server.adaptive).run())
        for work in (searches(case, server), stranger(case, server), tenant(case, server), _sample(clients, server)):
            tasks.create_task(work)
        places = (some for some in case.clients for _ in range(some.count))
        for number, some in enumerate(places, 1):
            tasks.create_task(_life(f"client-{number}", some, clients, server, tasks))


async def _life(name: str, some: Clients, clients: Crowd, server: Server, tasks: asyncio.TaskGroup) -> None:
    await asyncio.sleep(some.join)
    member = await clients.join(name, tasks)
    if some.leave is not None:
        await asyncio.sleep(some.leave - server.now)
        await clients.leave(member, killed=some.killed)


async def _sample(clients: Crowd, server: Server) -> None:
    while True:
        await asyncio.sleep(SAMPLE_S)
        server.measured.windows.append((server.now, clients.window(), server.pending()))


def _happen(server: Server, event: Event) -> None:
    name, value = event.what
    HAPPENINGS[name](server, value)


def _nodes(server: Server, count: int) -> None:
    while len(server.nodes) < count:
        server.add_node(server.case.server.allocations)
    while len(server.nodes) > count:
        server.remove_node()


def _allocations(server: Server, count: int) -> None:
    for node in server.nodes:
        node.scale(count)


def _lose(server: Server, count: int) -> None:
    for _ in range(count):
        server.lose_node()


def _back(server: Server, count: int) -> None:
    for _ in range(count):
        server.add_node(server.case.server.allocations)


HAPPENINGS = {
    "nodes": _nodes,
    "allocations": _allocations,
    "lose": _lose,
    "back": _back,
    "crash": lambda server, seconds: server.nodes[0].crash(seconds),
    "deployed": Server.deploy,
    "speed": Server.set_speed,
    "stats": lambda server, mode: setattr(server, "stats", mode),
}
