"""What all models of other clients have in common: they send bulks, and what they give up on is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from tests.scenarios.documents import Document
from tests.scenarios.node import Failure
from tests.scenarios.server import Server
from tests.scenarios.source import Source

SERIALISED_S = 0.0002
"""Client and server together need so long for the JSON of one document."""
TOO_MANY, CONFLICT = 429, 409
SERVER_ERRORS = 500


class Reply(NamedTuple):
    """What came back: a failure or None for each document; nothing at all after a timeout."""

    documents: Sequence[Document]
    failures: Sequence[Failure | None]
    seconds: float
    timed_out: bool = False

    def refused(self, wanted: Callable[[int], bool]) -> list[Document]:
        """Return the documents whose status is `wanted`."""
        return [
            one for one, failure in zip(self.documents, self.failures, strict=True) if failure and wanted(failure[0])
        ]

    @property
    def failed(self) -> list[Document]:
        """Return the documents that were refused with any status."""
        return self.refused(lambda _: True)


class Peer:
    """One instance of another client. `window` is what it allows itself, in documents."""

    def __init__(self, name: str, server: Server, source: Source) -> None:
        self.name, self.server, self.source = name, server, source
        self.random = Random(name)
        self.dropped: list[Document] = []
        self.window = 0.0

    async def run(self) -> None:
        """Work until cancelled."""
        raise NotImplementedError

    async def take(self, most: int, wait_s: float = 1.0) -> list[Document]:
        """Return up to `most` documents: what is there when the first has waited for `wait_s`, or enough have come."""
        taken = self.source.take(most)
        deadline = self.server.now + wait_s
        while not taken or (len(taken) < most and self.server.now < deadline):
            await asyncio.sleep(0.02)
            if not taken:
                deadline = self.server.now + wait_s
            taken += self.source.take(most - len(taken))
        return taken

    async def send(self, documents: Sequence[Document], timeout_s: float | None = None) -> Reply:
        """Send a bulk. After a timeout the server goes on with it."""
        began = self.server.now
        await asyncio.sleep(SERIALISED_S * len(documents) + self.server.case.server.rtt_ms / 1_000)
        answered = self.server.bulk(documents, self.name)
        try:
            async with asyncio.timeout(timeout_s):
                failures = await asyncio.shield(answered)
        except TimeoutError:
            return Reply(documents, [None] * len(documents), self.server.now - began, timed_out=True)
        return Reply(documents, failures, self.server.now - began)

    def drop(self, documents: Sequence[Document]) -> None:
        """Give up on documents."""
        self.dropped += documents


class Peers:
    """The instances of one kind of client."""

    def __init__(self, make: Callable[[str, Server, Source], Peer], server: Server, source: Source) -> None:
        self._make, self._server, self._source = make, server, source
        self._there: list[Peer] = []
        self._gone: list[Peer] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, name: str, tasks: asyncio.TaskGroup) -> Peer:
        made = self._make(name, self._server, self._source)
        self._there.append(made)
        self._tasks[name] = tasks.create_task(made.run())
        return made

    async def leave(self, member: Peer, *, killed: bool) -> None:
        self._there.remove(member)
        self._gone.append(member)
        self._tasks[member.name].cancel()

    def window(self) -> float:
        return sum(one.window for one in self._there)

    def lost(self) -> int:
        return sum(not document.indexed for one in (*self._there, *self._gone) for document in one.dropped)
