"""What else is at the deployment: searches, another client, a greedy one."""

from __future__ import annotations

import asyncio
from random import Random

from tests.scenarios.case import Case, Stranger
from tests.scenarios.documents import Document, seconds_of
from tests.scenarios.node import OTHERS, SEARCH, Failure, Request
from tests.scenarios.server import Server


async def searches(case: Case, server: Server) -> None:
    """Search evenly at random, until cancelled."""
    if case.search is None:
        return
    random = Random(case.seed + 2)

    def done(_: int, failure: Failure | None) -> None:
        server.measured.searches_refused += failure is not None

    while True:
        await asyncio.sleep(random.expovariate(case.search.rate))
        server.submit(Request(case.search.ms / 1_000, SEARCH, done))


async def tenant(case: Case, server: Server) -> None:
    """Send documents one by one while it is there; what is refused is gone."""
    if case.tenant is None:
        return
    random, number = Random(case.seed + 3), 0
    await asyncio.sleep(case.tenant.start)
    while case.tenant.stop is None or server.now < case.tenant.stop:
        await asyncio.sleep(random.expovariate(case.tenant.rate))
        number += 1
        seconds = seconds_of(f"tenant-{number}", case.tenant.tokens, case.server.service)
        server.submit(Request(seconds, OTHERS, lambda *_: None))


async def stranger(case: Case, server: Server) -> None:
    """Fill the queue while it is there."""
    greedy = case.stranger
    if greedy is None:
        return
    await asyncio.sleep(greedy.start)
    loops = [asyncio.create_task(_greed(greedy, server, number)) for number in range(greedy.in_flight)]
    try:
        await asyncio.gather(*loops)
        server.measured.changes.append(server.now)
    finally:
        for loop in loops:
            loop.cancel()


async def _greed(greedy: Stranger, server: Server, lane: int) -> None:
    number = 0
    refused: list[Document] = []
    while greedy.stop is None or server.now < greedy.stop:
        fresh = [Document(-1 - lane, number + n, 0.0) for n in range(greedy.bulk - len(refused))]
        number += len(fresh)
        for document in fresh:
            document.tokens = greedy.tokens
            document.seconds = seconds_of(document.name, greedy.tokens, server.case.server.service)
        sent = refused + fresh
        outcomes = await server.bulk(sent, OTHERS, ours=False)
        refused = [document for document, failure in zip(sent, outcomes, strict=True) if failure is not None]
        await asyncio.sleep(greedy.again_s if refused else 0.0)
