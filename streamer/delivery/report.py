"""What a running streamer says about itself: for the admin port, `streamer status` and the live line."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from streamer.admission.bytewindow import ByteWindow
from streamer.admission.gate import Gate
from streamer.admission.watcher import Watcher
from streamer.batching.books import Books
from streamer.batching.desk import Desk
from streamer.clock import Clock
from streamer.delivery.courier import Courier
from streamer.intake.accounts import Account
from streamer.intake.route import Route
from streamer.kafka.statistics import Statistics
from streamer.metrics import (
    BYTE_WINDOW,
    FETCHED_BYTES,
    HELD,
    LAG,
    OUTSTANDING_BYTES,
    STRIPPED,
    WINDOW,
    WINDOW_BOUND,
    WINDOW_DELAY,
    WINDOW_POSSIBLE,
    WINDOW_RATE,
    WINDOW_SERVICE,
    WINDOW_USED,
    Sample,
)
from streamer.model import PLAIN, Partition, Result

RATE_SECONDS = 10.0
STUCK_SECONDS = 60.0


class Parts(msgspec.Struct, frozen=True):
    """The stages that a report looks at."""

    routes: Mapping[str, Route]
    books: Books
    desk: Desk
    gates: Mapping[str, Gate]
    window: ByteWindow
    watchers: Mapping[str, Watcher]
    courier: Courier
    statistics: Statistics


class Report:
    """The subject of the admin port (`health.Subject`) and a source of metrics (`metrics.Readable`)."""

    def __init__(self, parts: Parts, instance: str, clock: Clock) -> None:
        """Report on `parts` in the name of `instance`."""
        self._parts, self._instance, self._clock = parts, instance, clock
        self._started = clock.monotonic()
        self._marks: deque[tuple[float, int]] = deque([(self._started, 0)])

    def alive(self) -> bool:
        """Return whether the poll thread and the loop still talk to each other."""
        return self._clock.monotonic() - self._parts.desk.last_step < STUCK_SECONDS or self._parts.desk.draining

    def ready(self) -> bool:
        """Return whether records are taken and nothing is held back."""
        return self.alive() and not self._parts.desk.draining and self.hold is None

    @property
    def hold(self) -> str | None:
        """Why nothing is sent at some deployment, if so."""
        return next((gate.hold.reason for gate in self._parts.gates.values() if gate.hold), None)

    @property
    def done(self) -> int:
        """Records done since start; those handed over to another owner are not."""
        totals = self._parts.books.accounts.totals()
        return totals.total() - totals[Result.HANDED_OVER]

    @property
    def handed_over(self) -> int:
        """Records that were taken and left to another owner."""
        return self._parts.books.accounts.totals()[Result.HANDED_OVER]

    @property
    def waiting(self) -> int:
        """Records taken and not yet sent."""
        return self._parts.books.accounts.waiting.total()

    @property
    def in_flight(self) -> int:
        """Records sent and not yet done."""
        return self._parts.books.accounts.in_flight.total()

    @property
    def rejections(self) -> int:
        """Items or requests refused for now since start."""
        return self._parts.courier.rejections.total()

    @property
    def untaken(self) -> int:
        """Records in the topics that were not yet taken, as of librdkafka's last statistics."""
        return sum(_untaken(entry) for _, entry in self._entries())

    def rate(self) -> float:
        """Return records done per second over the last ten seconds."""
        now = self._clock.monotonic()
        self._marks.append((now, self.done))
        while len(self._marks) > 2 and now - self._marks[1][0] >= RATE_SECONDS:  # noqa: PLR2004 - two ends of a span
            self._marks.popleft()
        then, before = self._marks[0]
        return (self.done - before) / max(now - then, 0.001)

    def deployments(self) -> dict[str, dict[str, Any]]:
        """Return window and statistics of each deployment."""
        return {
            name: {
                "window": self._parts.gates[name].limit.window,
                "bound": self._parts.gates[name].limit.parts.bound,
                "used": self._parts.gates[name].used,
                "allocations": watcher.capacity.allocations if watcher.capacity else None,
                "pending": watcher.capacity.pending if watcher.capacity else None,
                "inference_ms": watcher.capacity.inference_ms if watcher.capacity else None,
                "busy": watcher.busy,
            }
            for name, watcher in self._parts.watchers.items()
        }

    def status(self) -> dict[str, Any]:
        """Return everything that `streamer status` shows, as JSON values."""
        accounts = self._parts.books.accounts
        return {
            "instance": self._instance,
            "uptime_s": round(self._clock.monotonic() - self._started, 1),
            "state": "draining" if self._parts.desk.draining else "holding" if self.hold else "running",
            "hold": self.hold,
            "rate_per_s": round(self.rate(), 1),
            "waiting": self.waiting,
            "in_flight": self.in_flight,
            "rejections": self.rejections,
            "results": {result.value: count for result, count in accounts.totals().items()},
            "partitions": {str(partition): self._partition(partition) for partition in self._parts.desk.leases},
            "deployments": self.deployments(),
            "reuse_off": {name: route.reuse.off for name, route in self._parts.routes.items() if route.reuse.off},
            "conservation_difference": accounts.worst(),
        }

    def samples(self) -> Iterator[Sample]:
        """Return what is read from the stages' own state, as metrics."""
        yield Sample(OUTSTANDING_BYTES, (), self._parts.books.flow.size)
        yield Sample(BYTE_WINDOW, (), self._parts.window.limit)
        yield Sample(FETCHED_BYTES, (), self._parts.statistics.fetched_bytes)
        for name, gate in self._parts.gates.items():
            label = (name,)
            yield Sample(HELD, label, int(gate.hold is not None))
            if name != PLAIN:
                yield Sample(WINDOW, label, gate.limit.window)
                yield Sample(WINDOW_USED, label, gate.used)
                yield from _parts_of(name, gate)
        for partition, entry in self._entries():
            lag = entry.get("hi_offset", 0) - max(0, entry.get("committed_offset", 0))
            yield Sample(LAG, (partition.topic, str(partition.number)), max(0, lag))
        stripped: Counter[str] = Counter()
        for origin in self._parts.desk.origins.values():
            stripped[origin.route] += origin.decoder.stripped
        yield from (Sample(STRIPPED, (route,), count) for route, count in stripped.items())
        yield from self._parts.books.accounts.samples()

    def _partition(self, partition: Partition) -> dict[str, Any]:
        accounts = self._parts.books.accounts
        position = self._parts.books.ledger[partition].position
        return {
            "watermark": position,
            "epoch": self._parts.desk.leases[partition].origin.timeline.epoch_at(partition.number, position),
            "waiting": _of(accounts.waiting, partition),
            "in_flight": _of(accounts.in_flight, partition),
        }

    def _entries(self) -> Iterator[tuple[Partition, dict[str, Any]]]:
        """Return librdkafka's statistics of each partition that is ours."""
        leases = self._parts.desk.leases
        return ((found, entry) for found, entry in self._parts.statistics.partitions() if found in leases)


def _parts_of(deployment: str, gate: Gate) -> Iterator[Sample]:
    parts = gate.limit.parts
    yield Sample(WINDOW_RATE, (deployment,), parts.rate)
    yield Sample(WINDOW_SERVICE, (deployment,), parts.service_s)
    yield Sample(WINDOW_DELAY, (deployment,), parts.delay_s)
    yield Sample(WINDOW_POSSIBLE, (deployment,), parts.possible)
    yield Sample(WINDOW_BOUND, (deployment, parts.bound), 1)


def _of(counts: Counter[Account], partition: Partition) -> int:
    """Return what a partition has over all routes: the redrive and the backlog topic bring records of several."""
    return sum(count for (_, place), count in counts.items() if place == partition)


def _untaken(entry: Mapping[str, Any]) -> int:
    """`consumer_lag` counts from the commit; what the application took is known once it took something."""
    taken = entry.get("app_offset", -1)
    lag = entry.get("hi_offset", 0) - taken if taken >= 0 else entry.get("consumer_lag", 0)
    return max(0, int(lag))
