"""The delivery stage with fakes at its doors, in virtual time."""

import asyncio
from contextlib import asynccontextmanager
from random import Random

from streamer.admission.bytewindow import ByteWindow
from streamer.admission.gate import Gate
from streamer.admission.limit import FixedLimit
from streamer.batching.batcher import Room
from streamer.batching.books import Books
from streamer.delivery.bulk import BulkCodec
from streamer.delivery.courier import Courier, Kit, Trip
from streamer.delivery.deadletter import Burial, DeadLetters
from streamer.delivery.dispatcher import Dispatcher, Passage
from streamer.delivery.fallback import Fallback
from streamer.delivery.fuse import Fuse
from streamer.delivery.load import Load
from streamer.delivery.lookups import Lookups
from streamer.delivery.precedence import Precedence
from streamer.delivery.stale import StaleWatch
from streamer.intake.flow import Bounds
from streamer.metrics import STREAMER_METRICS, Meter
from streamer.model import PLAIN
from streamer.runtime import Runtime
from tests.fakes.clock import LoopClock
from tests.fakes.elastic import FakeElastic
from tests.fakes.producer import FakeProducer
from tests.unit.builders import LANE, P0, ROUTE, write

WIDE = Room(1_000, 1_000_000)
LEXICAL_AFTER_S = 10.0


class Stage:
    def __init__(self, tasks, window=64, window_bytes=20_000_000, route=ROUTE, letters_per_minute=100, elastic=None):
        self.clock = LoopClock()
        self.runtime = Runtime(self.clock, Meter(STREAMER_METRICS), tasks)
        self.books = Books(Bounds(10_000, 10_000_000), self.clock, self.runtime.bell.ring)
        self.gates = {
            lane: Gate(FixedLimit(window), self.clock, self.runtime.bell.ring) for lane in (LANE, "other", PLAIN)
        }
        self.gate = self.gates[LANE]
        self.elastic, self.producer = elastic or FakeElastic(), FakeProducer()
        self.ends = {P0: 1_000}
        self.epochs = frozenset({1})
        routes = {"films": route}
        letters = DeadLetters(self.producer, "dead", "one", self.clock, Fuse(self.clock, per_minute=letters_per_minute))
        self.burial = Burial(letters, self.books, {"films": "tid"})
        self.window = ByteWindow(window_bytes, self.clock, self.runtime.bell.ring)
        self.fallback = Fallback(routes, "backlog", LEXICAL_AFTER_S, self.producer)
        stale = StaleWatch(routes, self.ends.get, lambda _: self.epochs, Fuse(self.clock, per_minute=3))
        codec = BulkCodec(routes, "streamer-state")
        precedence = Precedence(self.elastic, routes, "streamer-state")
        kit = Kit(self.elastic, codec, precedence, self.window, self.burial, self.fallback, stale)
        self.courier = Courier(kit, self.books, self.runtime)
        self.courier._random = Random(1)
        self.lookups = Lookups(self.elastic, routes, self.books, self.runtime)
        self.generation = self.books.assign(P0)
        self.next = 0

    def take(self, *ids, make=write, **fields):
        """Take a record for each id, at the next offsets; return their writes."""
        writes = [make(self.next + n, name, generation=self.generation, **fields) for n, name in enumerate(ids)]
        self.next += len(writes)
        for one in writes:
            self.books.take([one])
        return writes

    def deliver(self, lane=LANE):
        """Send all that waits in `lane` as one batch; return the task."""
        writes, gate = self.books.form(lane, WIDE), self.gates[lane]
        ticket = gate.admit(sum(one.units for one in writes))
        weight = self.window.admit(sum(one.size for one in writes))
        return asyncio.create_task(self.courier.deliver(Trip(lane, Load(writes), gate, ticket, weight)))

    def dispatch(self, bounds):
        passage = Passage(self.gates, self.window, self.fallback)
        self.runtime.spawn(Dispatcher(self.books, passage, self.courier, bounds, self.runtime).run())

    def results(self):
        return {result.value: count for result, count in self.books.accounts.totals().items()}

    def check_all_is_done(self):
        """No slot, byte or record is left anywhere, and all offsets may be committed."""
        assert [gate.used for gate in self.gates.values()] == [0, 0, 0]
        assert self.window.used == 0
        assert self.books.flow.size == 0
        assert (self.books.accounts.waiting.total(), self.books.accounts.in_flight.total()) == (0, 0)
        assert self.books.accounts.worst() == 0
        assert self.books.ledger[P0].position == self.next


@asynccontextmanager
async def stage(**fields):
    async with asyncio.TaskGroup() as tasks:
        made = Stage(tasks, **fields)
        yield made
        made.runtime.end()
