"""A deployment of an encoder in virtual time: nodes, their queues and allocations, and an index behind it.

What it does, and the texts of its refusals, stand in the local stack's contract tests and in Elasticsearch's sources:
DeploymentManager, PriorityProcessWorkerExecutorService, InferenceWaitForAllocation, TransportInternalInferModelAction.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.scenarios.case import Case
from tests.scenarios.documents import Document, Lengthener
from tests.scenarios.measure import Measured
from tests.scenarios.node import DEPLOYMENT, OTHERS, OURS, QUEUE_FULL, Failure, Node, Request
from tests.scenarios.stats import stats_of

NOT_DEPLOYED: Failure = (
    409,
    "status_exception",
    f"Model [{DEPLOYMENT}] must be deployed to use. Please deploy with the start trained model deployment API.",
)
NOT_ALLOCATED: Failure = (
    409,
    "status_exception",
    f"Trained model deployment [{DEPLOYMENT}] is not allocated to any nodes",
)
TOO_MANY_WAIT: Failure = (
    429,
    "status_exception",
    f"Rejected inference request waiting for an allocation of deployment [{DEPLOYMENT}]. Too many pending requests",
)
MOST_WAITERS = 99
REFUSALS = (QUEUE_FULL, TOO_MANY_WAIT)
"""What a client with fewer documents in flight would not have met."""

Outcomes = list[Failure | None]


class Server:
    """The deployment. Belongs to one event loop; times are the loop's."""

    def __init__(self, case: Case, measured: Measured) -> None:
        self.case, self.measured = case, measured
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.random = Random(case.seed)
        self.lengthener = Lengthener(case.documents, case.server.service, case.seed)
        self.speed = 1.0
        self.stats = case.stats
        self.deployed = True
        self.requests = 0
        """Requests so far: what scaling to zero looks at."""
        self.waiters: deque[Request] = deque()
        self.wanted: Callable[[], None] = lambda: None
        """Called when a request came and there is no allocation."""
        self.freed: Callable[[], None] = lambda: None
        """Called when an inference has ended."""
        self._made = 0
        self.nodes: list[Node] = []
        for _ in range(case.server.nodes):
            self.add_node(case.server.allocations)

    @property
    def now(self) -> float:
        """Seconds into the scenario."""
        return self.loop.time() - self.began

    # --- what there is

    def add_node(self, allocations: int) -> None:
        """Let one more node be there."""
        self._made += 1
        self.nodes.append(Node(f"node-{self._made}", self, allocations))
        self.changed()

    def remove_node(self) -> None:
        """Take the newest node out: it takes nothing more, and finishes what it has."""
        self.nodes.pop().retired = True
        self.changed()

    def lose_node(self) -> None:
        """Let the newest node be gone with all that it had."""
        node = self.nodes.pop()
        self.changed()
        node.lose()

    def changed(self) -> None:
        """Note that capacity is not what it was; those who wait for an allocation may go."""
        now, there = self.now, sum(node.allocations for node in self.live())
        if there and there != self.measured.allocations.level:
            self.measured.changes.append(now)
        self.measured.allocations.to(now, there)
        self.measured.power.to(now, sum(node.power for node in self.live()) * self.speed)
        while there and self.waiters:
            self._place(self.waiters.popleft())

    def deploy(self, there: bool) -> None:
        """Start the deployment again, or stop it with all that it has."""
        self.deployed = there
        for node in self.nodes:
            node.stop() if not there else node.begin_anew()
        self.changed()

    def set_speed(self, speed: float) -> None:
        """Let inferences that begin from now on be so much faster than at the start."""
        self.speed = speed
        self.measured.changes.append(self.now)
        self.changed()

    def pending(self) -> int:
        """Return how many requests wait or are computed."""
        return sum(node.pending for node in self.nodes)

    def live(self) -> list[Node]:
        """Return the nodes that take requests."""
        return [node for node in self.nodes if node.allocations and not node.starting] if self.deployed else []

    # --- what is asked

    def bulk(self, documents: Sequence[Document], client: str, *, ours: bool = True) -> asyncio.Future[Outcomes]:
        """Infer and index; the answer comes when the slowest document is done: None or a failure for each."""
        outcomes: Outcomes = [None] * len(documents)
        answered: asyncio.Future[Outcomes] = self.loop.create_future()
        left, began = len(documents), self.now

        def done(place: int, failure: Failure | None) -> None:
            nonlocal left
            outcomes[place] = failure
            left -= 1
            if not left:
                if ours:
                    self.measured.bulks.append(self.now - began)
                    self._index(documents, outcomes, client)
                if not answered.done():
                    answered.set_result(outcomes)

        for place, document in enumerate(documents):
            self.lengthener.sent(document, self.now)
            self.submit(Request(document.seconds, OURS if ours else OTHERS, done, place))
        return answered

    async def statistics(self) -> dict[str, Any]:
        """Return the answer of `_stats`."""
        return stats_of(self)

    def submit(self, request: Request) -> None:
        """Put a request in the queue of a node, drawn at random by its allocations."""
        self.requests += 1
        if not self.deployed:
            request.end(NOT_DEPLOYED)
        elif self.live():
            self._place(request)
        elif self.case.server.adaptive is None:
            request.end(NOT_ALLOCATED)
        elif len(self.waiters) >= MOST_WAITERS:
            request.end(TOO_MANY_WAIT)
            self.wanted()
        else:
            self.waiters.append(request)
            self.wanted()

    def _place(self, request: Request) -> None:
        live = self.live()
        node = live[0] if len(live) == 1 else self.random.choices(live, [one.allocations for one in live])[0]
        node.offer(request)

    def index(self, document: Document, client: str) -> None:
        """Take a document of the clients under test into the index; one that is there already was inferred in vain."""
        measured = self.measured
        document.indexed += 1
        if document.indexed > 1:
            measured.wasted += 1
            return
        measured.indexed += 1
        measured.work += document.seconds
        measured.by_client.setdefault(client, []).append((self.now, document.seconds))
        measured.freshness.append(self.now - document.born)

    def _index(self, documents: Sequence[Document], outcomes: Outcomes, client: str) -> None:
        for document, failure in zip(documents, outcomes, strict=True):
            if failure is None:
                self.index(document, client)
            else:
                self.measured.rejections += failure in REFUSALS
