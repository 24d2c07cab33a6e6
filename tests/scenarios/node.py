"""One node of the deployment: a bounded queue, searches first, and so many allocations that take from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.scenarios.server import Server

DEPLOYMENT = "for_ingest"
OURS, SEARCH, OTHERS = "ours", "search", "others"
HYPER_THREAD = 0.2
"""What an allocation beyond the cores adds: 26 documents a second of 16 allocations on 8 cores, and 22 of 8."""

Failure = tuple[int, str, str]
QUEUE_FULL: Failure = (
    429,
    "es_rejected_execution_exception",
    "inference process queue is full. Unable to execute command",
)
SHUT_DOWN: Failure = (429, "es_rejected_execution_exception", "inference process worker service has shutdown")
DIED: Failure = (
    500,
    "status_exception",
    "Error in inference process: [inference native process died unexpectedly with failure [gone]]",
)
STOPPING: Failure = (500, "status_exception", "Error in inference process: [inference canceled as process is stopping]")


class Request:
    """One input: `seconds` of inference for `origin`; `done` is told its place and how it ended."""

    __slots__ = ("done", "enqueued", "origin", "place", "seconds", "started")

    def __init__(
        self, seconds: float, origin: str, done: Callable[[int, Failure | None], None], place: int = 0
    ) -> None:
        self.seconds, self.origin, self.done, self.place = seconds, origin, done, place
        self.enqueued = self.started = -1.0

    def end(self, failure: Failure | None) -> None:
        """Tell how it ended."""
        self.done(self.place, failure)


class Counters:
    """What a process has counted since it started."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.inferences = self.rejected = self.errors = 0
        self.worked_s = 0.0
        self.last_access = started
        self.minutes: dict[int, tuple[int, float]] = {}
        """Inferences and their seconds by minute since the start."""

    def inferred(self, now: float, seconds: float) -> None:
        """Count an inference."""
        self.inferences += 1
        self.worked_s += seconds
        minute = int((now - self.started) / 60)
        count, worked = self.minutes.get(minute, (0, 0.0))
        self.minutes[minute] = (count + 1, worked + seconds)


class Node:
    """A node with its queue; a dead one has neither allocations nor counters."""

    def __init__(self, name: str, server: Server, allocations: int) -> None:
        self.name, self._server = name, server
        self.allocations = allocations
        self.starting = self.retired = False
        self.counters = Counters(server.now)
        self._high: deque[Request] = deque()
        self._normal: deque[Request] = deque()
        self._running: set[Request] = set()
        self._capacity = server.case.server.queue_capacity
        self._gap_s = server.case.server.gap_ms / 1_000
        self._cores = server.case.server.cores or 1_000_000

    @property
    def power(self) -> float:
        """What the allocations are worth in whole ones."""
        return self._worth(self.allocations)

    @property
    def pending(self) -> int:
        """Requests that wait or are computed."""
        return len(self._high) + len(self._normal) + len(self._running)

    def offer(self, request: Request) -> None:
        """Take a request, or refuse it when the queue is full."""
        if len(self._high) + len(self._normal) >= self._capacity:
            self.counters.rejected += 1
            request.end(QUEUE_FULL)
            return
        request.enqueued = self._server.now
        (self._high if request.origin == SEARCH else self._normal).append(request)
        self.dispatch()

    def scale(self, allocations: int) -> None:
        """Have so many allocations; what is computed by one too many is finished first."""
        self.allocations = allocations
        self._server.changed()
        self.dispatch()

    def dispatch(self) -> None:
        """Give what waits to allocations that are free."""
        while len(self._running) < self.allocations and not self.starting and (self._high or self._normal):
            self._start(self._high.popleft() if self._high else self._normal.popleft())

    def stop(self) -> None:
        """End in good order: nothing of what it has is computed."""
        self._end_all(STOPPING, SHUT_DOWN)

    def begin_anew(self) -> None:
        """Be there with empty counters."""
        self.counters = Counters(self._server.now)

    def lose(self) -> None:
        """Be gone: all that waits or is computed fails as if the process had died."""
        self._end_all(DIED, DIED)

    def crash(self, restart_s: float) -> None:
        """Lose the process: what was computed fails, what waited is refused, and counters begin anew."""
        self.starting = True
        self._server.changed()
        self._end_all(DIED, SHUT_DOWN)
        self._server.loop.call_later(restart_s, self._restart)

    def _restart(self) -> None:
        self.starting = False
        self.begin_anew()
        self._server.changed()
        self.dispatch()

    def _end_all(self, computed: Failure, queued: Failure) -> None:
        running, waiting = self._running, [*self._high, *self._normal]
        self._running, self._high, self._normal = set(), deque(), deque()
        for request in running:
            self._track(request.origin, -1)
        for request in running:
            request.end(computed)
        for request in waiting:
            request.end(queued)

    def _start(self, request: Request) -> None:
        server = self._server
        request.started = server.now
        self._running.add(request)
        self._track(request.origin, 1)
        if request.origin == OURS:
            server.measured.waits.append(request.started - request.enqueued)
        elif request.origin == SEARCH:
            server.measured.search_waits.append(request.started - request.enqueued)
        busy = len(self._running)
        seconds = request.seconds / server.speed * (busy / self._worth(busy))
        server.loop.call_later(seconds + self._gap_s, self._finish, request, seconds)

    def _finish(self, request: Request, seconds: float) -> None:
        if request not in self._running:
            return
        self._running.remove(request)
        self._track(request.origin, -1)
        self._server.measured.gaps_s += self._gap_s
        self.counters.inferred(self._server.now, seconds)
        self.counters.last_access = self._server.now
        self.dispatch()
        request.end(None)
        self._server.freed()

    def _track(self, origin: str, more: int) -> None:
        measured = self._server.measured
        (measured.ours if origin == OURS else measured.others).add(self._server.now, more)

    def _worth(self, allocations: int) -> float:
        return min(allocations, self._cores) + HYPER_THREAD * max(0, allocations - self._cores)
