"""The world of one run: a stack of its own behind proxies, streamers that are started again, a writer, a reader."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Self

from compose.local import ports
from compose.local.kafka_part import Listener
from compose.local.stack import Stack
from tests.chaos.jumpy import VARIABLE as CLOCK
from tests.chaos.reader import Names, Reader
from tests.chaos.tap import Sends
from tests.chaos.writer import PROPERTIES, Changes, Writer
from tests.fixtures.elastic import Elastic
from tests.fixtures.kafka import Kafka
from tests.fixtures.program import Running
from tests.fixtures.scenario import FLOW, OUTPUT, Json, Scenario
from tests.fixtures.tcp import TcpProxy

JUMPY = "tests.chaos.jumpy"
TICK_S = 0.1
AGAIN_S = 0.5
PARTITIONS = 4
QUEUE = 256
"""Slots of the deployment's queue: few, so that it can be filled."""
RECOVERY_S = 120.0
"""Far above what a recovery takes; who needs longer has not recovered."""

ENCODER, SYNTHETIC = ".elser_model_2", "synthetic"
PER_SECOND = {ENCODER: 12, SYNTHETIC: 50}
"""Changes a second: below what the model makes on two cores that others use too."""

KAFKA = {"session_timeout_ms": 3_000, "max_poll_interval_ms": 6_000}


@dataclass(frozen=True)
class Kind:
    """How a world is made: which model, which group protocol, static members or not."""

    model: str = SYNTHETIC
    protocol: str = "classic"
    static: bool = False

    @property
    def allocations(self) -> int:
        return 1 if self.model == ENCODER else 4

    @property
    def words(self) -> str:
        return f"{self.model}, {self.protocol} group{', static members' if self.static else ''}"


@dataclass
class Slot:
    """A place for a streamer; whoever dies there is followed by another, unless the place is kept empty."""

    name: str
    running: Running | None = None
    wanted: bool = True
    frozen: bool = False
    next_start: float = 0.0
    expected: bool = False
    """Whether its death was ours."""

    @property
    def alive(self) -> bool:
        return self.running is not None and self.running.alive


@dataclass
class World:
    """Everything that a fault may touch. Belongs to one thread; writer and reader have theirs."""

    folder: Path
    seed: int
    kind: Kind
    say: Callable[[str], None] = print
    slots: list[Slot] = field(default_factory=list)
    _repeated: int = 0
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    foreign: int = 0
    """Inferences that somebody else had made."""
    ends: list[str] = field(default_factory=list)
    """How streamers ended that nobody killed."""
    crashes: list[str] = field(default_factory=list)
    """Those of them that had no words for it."""

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            inside, outside = ports.free(2)
            listener = Listener("PROXY", inside, outside)
            self.stack = undo.enter_context(Stack(self.folder / "stack", kafka_listeners=(listener,)))
            self.sends = Sends()
            self.kafka_net = undo.enter_context(TcpProxy(inside, port=outside))
            self.elastic_net = undo.enter_context(TcpProxy(self.stack.elasticsearch_port, tap=self.sends))
            self.kafka = undo.enter_context(Kafka(self.stack.bootstrap_servers))
            self.elastic = undo.enter_context(Elastic(self.stack.elasticsearch_url))
            self.case = Scenario(self.kafka, self.elastic, self.folder, self._settings())
            undo.callback(self.case.close)
            self.clock = self.folder / "clock"
            self.turn_clock(0.0)
            self.case.set_up(PARTITIONS, base_ms=20)
            self._watch(undo)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _settings(self) -> Json:
        deployment = {
            "model_id": self.kind.model,
            "cache_size": "0b",
            "number_of_allocations": self.kind.allocations,
            "queue_capacity": QUEUE,
        }
        return {
            "kafka": {"bootstrap_servers": self.kafka_net.address, "group_protocol": self.kind.protocol, **KAFKA},
            "elasticsearch": {"urls": [f"http://{self.elastic_net.address}"], "bulk_timeout_s": 8.0},
            "deployments": [deployment],
            "route": {"inference": [{"input": "text", "output": OUTPUT}], "properties": PROPERTIES},
            "flow": FLOW | {"drain_timeout_s": 5.0, "topic_check_interval_s": 0.5},
            # Poison comes by the dozen here, and that is meant.
            "limits": {"dead_letters_per_minute": 100_000, "dead_letters_per_run": 100_000},
            "admin": {"port": 0},
        }

    def _watch(self, undo: ExitStack) -> None:
        """Start writer and reader, each with clients of its own."""
        own = [undo.enter_context(Kafka(self.stack.bootstrap_servers)) for _ in range(2)]
        case, changes = self.case, Changes(Random(f"changes {self.seed}"))
        self.writer = Writer(own[0], case.topic, changes, PER_SECOND[self.kind.model])
        names = Names(case.topic, case.group, case.index, case.deployment)
        elastic = undo.enter_context(Elastic(self.stack.elasticsearch_url))
        self.reader = Reader(own[1], elastic, self.writer, names, Random(f"reader {self.seed}"))
        for thread in (self.writer, self.reader):
            thread.start()
            undo.callback(thread.end)

    # --- streamers

    def tend(self) -> None:
        """Do what a supervisor does: start who died; and fail when writer or reader could not go on."""
        for failed in (self.writer.failure, self.reader.failure):
            if failed is not None:
                raise failed
        for slot in self.slots:
            if not slot.alive:
                self._follow(slot)

    def _follow(self, slot: Slot) -> None:
        now = time.monotonic()
        if slot.running is not None:
            if not slot.expected:
                self._note_end(slot.name, slot.running)
            slot.running.close()
            slot.running, slot.expected, slot.next_start = None, False, now + AGAIN_S
        if slot.wanted and now >= slot.next_start:
            slot.running = self._start(slot.name)

    def _note_end(self, name: str, running: Running) -> None:
        lines = running.log.read_text("utf-8", "replace").splitlines()
        told = [line for line in lines if line.startswith("streamer: ")] or lines[-1:]
        self.ends.append(f"status {running.wait()}: {' '.join(told)[:300]}")
        self.say(f"  {name} ended: {self.ends[-1]}")
        if any(line.startswith("Traceback") for line in lines):
            self.crashes.append(f"{running.log.name}: {lines[-1][:300]}")

    def _start(self, name: str) -> Running:
        static = {"STREAMER_KAFKA__GROUP_INSTANCE_ID": name} if self.kind.static else {}
        return self.case.start(environment={CLOCK: str(self.clock), **static}, module=JUMPY)

    def add(self) -> Slot:
        """Start one more streamer."""
        slot = Slot(f"streamer-{next(self.numbers)}")
        slot.running = self._start(slot.name)
        self.slots.append(slot)
        return slot

    def kill(self, slot: Slot) -> None:
        """SIGKILL a streamer; the reader learns that a replay follows."""
        if slot.running is not None:
            self.expect_replay()
            slot.expected = True
            slot.running.kill()

    def stop(self, slot: Slot) -> None:
        """Ask a streamer to end in good order."""
        if slot.alive and slot.running is not None:
            slot.expected = True
            slot.running.terminate()

    def remove(self, slot: Slot) -> None:
        """Take a place away, with who is in it."""
        slot.wanted = False
        self.stop(slot)
        self.until(lambda: not slot.alive, f"the end of {slot.name}", 60.0)
        self.tend()
        self.slots.remove(slot)

    # --- the rest

    def expect_replay(self) -> None:
        """Say that something dies now whose unacknowledged work will be done again."""
        self.reader.replay(self.writer.ends())

    def turn_clock(self, hours: float) -> None:
        """Let the streamers' wall clocks be wrong by so much."""
        fresh = self.clock.with_suffix(".new")
        fresh.write_text(str(hours))
        fresh.replace(self.clock)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, tending."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.tend()
            time.sleep(TICK_S)

    def until(self, condition: Callable[[], object], what: str, timeout_s: float = RECOVERY_S) -> float:
        """Wait, tending, and return the seconds that it took; fail when it does not come."""
        began = time.monotonic()
        while not condition():
            self.tend()
            if time.monotonic() > began + timeout_s:
                raise AssertionError(f"{what}: not within {timeout_s:g} s; {self.state()}")
            time.sleep(TICK_S)
        return time.monotonic() - began

    def reached(self, ends: dict[int, int]) -> bool:
        """Return whether the commit is at least at `ends`."""
        committed = self.kafka.committed(self.case.group, self.case.topic)
        return all(committed.get(number, 0) >= end for number, end in ends.items())

    def newly_repeated(self) -> int:
        """Return how many inferences beyond one for each record were made since the last call; asked at rest."""
        repeated = self.reader.inferences.total - self.foreign - self.sends.distinct
        newly, self._repeated = max(0, repeated - self._repeated), repeated
        return newly

    def await_looks(self, count: int) -> None:
        """Wait until the reader has looked so often again."""
        first = sum(self.reader.looks.values())
        self.until(lambda: sum(self.reader.looks.values()) >= first + count, "the reader's next look")

    def all_started(self) -> bool:
        return len(self._started()) == len(self.slots)

    def epochs(self) -> set[int]:
        """Return the epochs of the partitions that the streamers have."""
        entries = [one.status()["partitions"] for one in self._started()]
        return {place["epoch"] for entry in entries for name, place in entry.items() if self._is_ours(name)}

    def _is_ours(self, partition: str) -> bool:
        return partition.rpartition("-")[0] == self.case.topic

    def _started(self) -> list[Running]:
        running = [slot.running for slot in self.slots if slot.alive and slot.running is not None]
        return [one for one in running if one.event("started")]

    def hold_conservation(self) -> None:
        """Hold the law of conservation at every streamer that has started."""
        for one in self._started():
            one.status()

    def heal(self) -> None:
        """End whatever may still be broken, and leave one streamer."""
        self.kafka_net.heal()
        self.elastic_net.heal()
        self.stack.kafka.start()
        self.stack.elasticsearch.start()
        self.elastic.heal()
        self.turn_clock(0.0)
        while len(self.slots) > 1:
            self.remove(self.slots[-1])

    def state(self) -> str:
        """Return what a person wants to know when something did not come."""
        told = [
            f"{slot.name}: {slot.running.status() if slot.alive and slot.running else 'away'}" for slot in self.slots
        ]
        committed = self.kafka.committed(self.case.group, self.case.topic)
        return "\n".join([f"committed {committed} of {self.kafka.ends(self.case.topic)}", *told])


@contextmanager
def empty(slot: Slot) -> Iterator[None]:
    """Keep a place empty after its death."""
    slot.wanted = False
    try:
        yield
    finally:
        slot.wanted = True
