"""Where documents come from: partitions of a topic that is full from the start, or fills as time passes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.scenarios.case import Arrivals, Case
from tests.scenarios.documents import Document
from tests.scenarios.server import Server


class Log:
    """One partition. What was read may be read again; offsets begin at 0."""

    def __init__(self, number: int, *, endless: bool) -> None:
        self.number, self._endless = number, endless
        self.documents: list[Document] = []

    def get(self, offset: int) -> Document | None:
        """Return the document at `offset`; None when it has not arrived."""
        if offset == len(self.documents) and self._endless:
            self.add(0.0)
        return self.documents[offset] if offset < len(self.documents) else None

    def add(self, now: float) -> Document:
        """Let a document arrive."""
        self.documents.append(Document(self.number, len(self.documents), now))
        return self.documents[-1]


class Source:
    """All partitions, and who is told of arrivals."""

    def __init__(self, case: Case, server: Server) -> None:
        self._server, self._random = server, Random(case.seed + 1)
        arrivals = case.arrivals
        self.endless = not isinstance(arrivals, Arrivals)
        self.logs = [Log(number, endless=self.endless) for number in range(case.partitions)]
        self.arrived: list[Callable[[Document], None]] = []
        self._rate = _rate(arrivals, server) if isinstance(arrivals, Arrivals) else 0.0
        self._turn = 0
        self._positions = [0] * case.partitions
        if self._rate:
            self._next()

    def take(self, most: int) -> list[Document]:
        """Return up to `most` documents that nobody has taken here yet, from all partitions in turn."""
        taken: list[Document] = []
        empty = 0
        while len(taken) < most and empty < len(self.logs):
            number, self._turn = self._turn, (self._turn + 1) % len(self.logs)
            found = self.logs[number].get(self._positions[number])
            if found is None:
                empty += 1
                continue
            empty = 0
            self._positions[number] += 1
            taken.append(found)
        return taken

    def _next(self) -> None:
        self._server.loop.call_later(self._random.expovariate(self._rate), self._arrive)

    def _arrive(self) -> None:
        document = self._random.choice(self.logs).add(self._server.now)
        self._server.measured.arrived.append((self._server.now, self._mean_s))
        for tell in self.arrived:
            tell(document)
        self._next()

    @property
    def _mean_s(self) -> float:
        return self._server.lengthener.expected(self._server.now)


def _rate(arrivals: Arrivals, server: Server) -> float:
    if arrivals.rate is not None:
        return arrivals.rate
    power = sum(node.power for node in server.nodes)
    return (arrivals.load or 0.0) * power / server.lengthener.expected(0.0)
