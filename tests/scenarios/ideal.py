"""The perfect client: it sees inside the server, and gives each allocation a document the moment it is free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from tests.scenarios.documents import Document
from tests.scenarios.node import OURS, Failure, Request
from tests.scenarios.server import Server
from tests.scenarios.source import Source

LOOK_S = 0.05
DEEP = 4
"""Documents for each allocation where there are more only for who asks for them: a queue that grows is demand too."""


class Ideal:
    """One for all instances."""

    def __init__(self, server: Server, source: Source) -> None:
        self._server, self._source = server, source
        self._there = 0
        self._deep = server.case.server.adaptive is not None
        server.freed = self.fill

    async def join(self, name: str, tasks: asyncio.TaskGroup) -> str:
        self._there += 1
        if self._there == 1:
            tasks.create_task(self._run())
        return name

    async def leave(self, member: str, *, killed: bool) -> None:
        self._there -= 1

    def window(self) -> float:
        return self._server.measured.allocations.level

    def lost(self) -> int:
        return 0

    async def _run(self) -> None:
        while True:
            self.fill()
            await asyncio.sleep(LOOK_S)

    def fill(self) -> None:
        """Give documents to whoever is free; somebody has to ask when nobody is there at all."""
        server = self._server
        if not self._there:
            return
        if self._deep and not server.live() and not server.waiters:
            self._give(server.submit)
        for node in server.live():
            while node.pending < node.allocations * (DEEP if self._deep else 1) and self._give(node.offer):
                pass

    def _give(self, take: Callable[[Request], None]) -> bool:
        for document in self._source.take(1):
            self._server.lengthener.sent(document, self._server.now)
            self._server.requests += 1
            take(Request(document.seconds, OURS, partial(self._done, document)))
            return True
        return False

    def _done(self, document: Document, place: int, failure: Failure | None) -> None:
        if failure is None:
            self._server.index(document, "ideal")
