"""The streamer under test: its own books, dispatcher, courier, gate, watcher and limit, wired as in `pipeline.wire`.

Left out are Kafka and decoding: records come from a simulated source, and rebalances are such as a group makes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random

from streamer.admission.bytewindow import ByteWindow
from streamer.admission.gate import Gate
from streamer.admission.limit import Limit
from streamer.admission.watcher import Watcher
from streamer.batching.books import Books
from streamer.delivery.bulk import BulkCodec
from streamer.delivery.courier import Courier, Kit
from streamer.delivery.deadletter import Burial, DeadLetters
from streamer.delivery.dispatcher import Dispatcher, Passage, bounds_of
from streamer.delivery.fallback import Fallback
from streamer.delivery.fuse import Fuse
from streamer.delivery.precedence import Precedence
from streamer.delivery.stale import StaleWatch
from streamer.intake.flow import Bounds
from streamer.intake.remembered import Range
from streamer.metrics import STREAMER_METRICS, Meter
from streamer.model import Partition, Record, Write
from streamer.runtime import Runtime
from streamer.settings import FlowSettings
from tests.fakes.clock import LoopClock
from tests.fakes.producer import FakeProducer
from tests.scenarios.door import Door, version_of
from tests.scenarios.node import DEPLOYMENT
from tests.scenarios.server import Server
from tests.scenarios.source import Source
from tests.unit.builders import ROUTE

TOPIC = "films"
READ_AHEAD = 1_500
"""Records that wait in an instance: more than any window, so that it is never the source that is slow."""
READ_EVERY_S = 0.25
DRAIN_LOOK_S = 0.1
DRAIN_S = 60.0

MakeLimit = Callable[[], Limit]


class Instance:
    """One streamer. `positions` of its partitions are where its next read begins."""

    def __init__(self, name: str, server: Server, source: Source, limit: Limit, tasks: asyncio.TaskGroup) -> None:
        self.name, self._source = name, source
        self.limit = limit
        self.runtime = Runtime(LoopClock(), Meter(STREAMER_METRICS), tasks)
        flow, clock, ring = FlowSettings(), self.runtime.clock, self.runtime.bell.ring
        self.books = Books(Bounds(flow.max_outstanding_records, flow.max_outstanding_mbytes * 1_000_000), clock, ring)
        self.gate = Gate(limit, clock, ring)
        self.door = Door(server, name)
        window = ByteWindow(flow.max_mbytes_in_flight * 1_000_000, clock, ring)
        routes, producer = {ROUTE.name: ROUTE}, FakeProducer()
        fallback = Fallback(routes, "backlog", flow.lexical_after_s, producer)
        letters = DeadLetters(producer, "dead", name, clock, Fuse(clock, per_minute=None))
        kit = Kit(
            self.door,
            BulkCodec(routes, "streamer-state"),
            Precedence(self.door, routes, "streamer-state"),
            window,
            Burial(letters, self.books, {TOPIC: "tid"}),
            fallback,
            StaleWatch(routes, lambda _: 1 << 40, lambda _: frozenset({1}), Fuse(clock, per_minute=3)),
        )
        self.courier = Courier(kit, self.books, self.runtime)
        self.courier._random = Random(name)
        self.dispatcher = Dispatcher(
            self.books, Passage({DEPLOYMENT: self.gate}, window, fallback), self.courier, bounds_of(flow), self.runtime
        )
        self.watcher = Watcher(self.door, DEPLOYMENT, limit, self.runtime)
        self.positions: dict[int, int] = {}
        self.leaving: set[int] = set()
        self._stats_interval_s = flow.stats_interval_s

    def start(self) -> None:
        """Begin to work."""
        self.runtime.spawn(self.watcher.run(self._stats_interval_s))
        self.runtime.spawn(self.dispatcher.run())
        self.runtime.spawn(self._read_on())

    # --- partitions

    def assign(self, number: int, position: int, known: Iterable[Range]) -> None:
        """Take a partition on, from `position`; what is `known` is skipped."""
        self.books.assign(_partition(number), known)
        self.positions[number] = position
        self.read()

    async def give_up(self, numbers: Iterable[int]) -> dict[int, tuple[int, list[Range]]]:
        """Stop taking, finish what is in flight, and return where the next owner begins and what it may skip."""
        numbers = set(numbers)
        self.leaving |= numbers
        partitions = [_partition(number) for number in numbers]
        self.books.leave(partitions)
        deadline = self.runtime.clock.monotonic() + DRAIN_S
        while not self.books.drained(partitions) and self.runtime.clock.monotonic() < deadline:
            await self.runtime.bell.wait(DRAIN_LOOK_S)
        return self.drop(numbers)

    def drop(self, numbers: Iterable[int]) -> dict[int, tuple[int, list[Range]]]:
        """Give partitions up as they are."""
        found = {}
        for number in numbers:
            ledger = self.books.ledger[_partition(number)]
            start = self.positions.pop(number)
            found[number] = (start if ledger.position is None else ledger.position, list(ledger.done()))
            self.books.fence(_partition(number))
        self.leaving -= found.keys()
        return found

    # --- records

    async def _read_on(self) -> None:
        while True:
            self.read()
            await asyncio.sleep(READ_EVERY_S)

    def read(self) -> None:
        """Take what is there until enough waits, from all partitions in turn."""
        turn = [number for number in self.positions if number not in self.leaving]
        room = READ_AHEAD - self.books.waiting(DEPLOYMENT)
        taken = 0
        while turn and taken < room:
            turn = [number for number in turn if self._take(number)]
            taken += len(turn)
        if taken:
            self.runtime.bell.ring()

    def _take(self, number: int) -> bool:
        offset, partition = self.positions[number], _partition(number)
        document = self._source.logs[number].get(offset)
        if document is None:
            return False
        self.positions[number] += 1
        record = Record(partition, offset, int(document.born * 1_000), document.name.encode(), b"{}")
        if self.books.skip(record, ROUTE.name):
            return True
        self.door.documents[document.name] = document
        generation = self.books.ledger[partition].generation
        write = Write(
            route=ROUTE.name,
            record=record,
            id=document.name,
            version=version_of(document),
            epoch=1,
            generation=generation,
            body=b"{}",
            lane=DEPLOYMENT,
            inputs=1,
            text_hash="h",
        )
        self.books.take([write])
        return True


class Group:
    """A consumer group: partitions go round among its members, and move when one comes or goes."""

    def __init__(self, server: Server, source: Source, make_limit: MakeLimit) -> None:
        self._server, self._source, self._make_limit = server, source, make_limit
        self._free: dict[int, tuple[int, list[Range]]] = {log.number: (0, []) for log in source.logs}
        self._changing = asyncio.Lock()
        self.members: list[Instance] = []
        source.arrived.append(self._arrived)

    async def join(self, name: str, tasks: asyncio.TaskGroup) -> Instance:
        """Add a member and give it its part."""
        made = Instance(name, self._server, self._source, self._make_limit(), tasks)
        made.watcher.share = lambda: len(made.positions) / len(self._source.logs) or 1.0
        made.start()
        async with self._changing:
            self.members.append(made)
            await self._rebalance()
        return made

    async def leave(self, member: Instance, *, killed: bool) -> None:
        """Let a member go: it finishes what is in flight, or is killed with it."""
        async with self._changing:
            self.members.remove(member)
            numbers = list(member.positions)
            self._free |= member.drop(numbers) if killed else await member.give_up(numbers)
            member.runtime.end()
            await self._rebalance()

    async def _rebalance(self) -> None:
        if not self.members:
            return
        owners = {log.number: self.members[log.number % len(self.members)] for log in self._source.logs}
        moving = [[n for n in member.positions if owners[n] is not member] for member in self.members]
        for given in await asyncio.gather(
            *(member.give_up(numbers) for member, numbers in zip(self.members, moving, strict=True) if numbers)
        ):
            self._free |= given
        for number, (position, known) in self._free.items():
            owners[number].assign(number, position, known)
        self._free.clear()

    def window(self) -> float:
        """Return what the members allow themselves in flight."""
        return sum(member.limit.window for member in self.members)

    def lost(self) -> int:
        """Return how many documents count as done and are not indexed."""
        count = 0
        for member in self.members:
            for number in member.positions:
                done = member.books.ledger[_partition(number)].position or 0
                count += sum(not document.indexed for document in self._source.logs[number].documents[:done])
        return count

    def _arrived(self, document: object) -> None:
        for member in self.members:
            member.read()


def _partition(number: int) -> Partition:
    return Partition(TOPIC, number)
