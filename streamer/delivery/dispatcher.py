"""Forms bulks whenever a gate has room, and only as large as the room: pull, not push."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from streamer import failpoints
from streamer.admission.bytewindow import ByteWindow
from streamer.admission.gate import Gate
from streamer.admission.limit import bulk_size
from streamer.batching.batcher import Room
from streamer.batching.books import Books
from streamer.delivery.courier import Courier, Trip
from streamer.delivery.fallback import Fallback
from streamer.delivery.load import Load
from streamer.model import PLAIN, Write
from streamer.runtime import Runtime
from streamer.settings import FlowSettings


class Bounds(msgspec.Struct, frozen=True):
    """Bounds of bulks: units in one bulk by lane kind, bytes in one bulk, linger in seconds."""

    inference_units: int
    plain_units: int
    bulk_bytes: int
    linger_s: float


def bounds_of(flow: FlowSettings) -> Bounds:
    """Return the bounds that the settings give, in bytes and seconds."""
    return Bounds(
        flow.bulk_max_documents,
        flow.plain_bulk_max_documents,
        flow.bulk_max_kbytes * 1_000,
        flow.linger_ms / 1_000,
    )


class Passage(msgspec.Struct, frozen=True):
    """What a batch has to pass: its lane's gate and the window of bytes, which all lanes share."""

    gates: Mapping[str, Gate]
    window: ByteWindow
    fallback: Fallback


class Dispatcher:
    """Sends what may go, lane by lane."""

    def __init__(self, books: Books, passage: Passage, courier: Courier, bounds: Bounds, runtime: Runtime) -> None:
        """Send through `passage`; each delivery is a task."""
        self._books, self._passage, self._courier, self._bounds = books, passage, courier, bounds
        self._runtime = runtime

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            # Last what needs no inference: what a hold turns into that goes in the same turn.
            waits = [self._serve(lane, gate) for lane, gate in self._passage.gates.items()]
            await self._runtime.bell.wait(min((wait for wait in waits if wait is not None), default=None))

    def _serve(self, lane: str, gate: Gate) -> float | None:
        """Send all that may go in `lane`; return the seconds after which more may, None if only an event helps."""
        while ready := self._books.waiting(lane):
            if self._passage.fallback.applies(gate) and (wait := gate.probe_wait()):
                self._passage.fallback.divert(self._books, lane)
                return wait
            bulk = min(gate.room, self._most(lane, gate))
            if not bulk or (gate.hold is None and gate.room < min(ready, self._most(lane, gate))):
                return None
            linger = self._linger(lane) if ready < bulk else 0.0
            if linger > 0:
                return linger
            size = min(self._bounds.bulk_bytes, self._passage.window.room)
            if size <= 0:
                return None
            self._dispatch(lane, gate, self._books.form(lane, Room(bulk, size)))
        gate.idle()
        return None

    def _most(self, lane: str, gate: Gate) -> int:
        if lane == PLAIN:
            return min(self._bounds.plain_units, gate.limit.window)
        return bulk_size(gate.limit.window, self._bounds.inference_units)

    def _linger(self, lane: str) -> float:
        oldest = self._books.oldest(lane)
        return 0.0 if oldest is None else oldest + self._bounds.linger_s - self._runtime.clock.monotonic()

    def _dispatch(self, lane: str, gate: Gate, writes: Sequence[Write]) -> None:
        failpoints.reach("batch.formed")
        # Spawned tasks begin later: gate and window must know of this batch before the next one is formed.
        ticket = gate.admit(sum(write.units for write in writes))
        weight = self._passage.window.admit(sum(write.size for write in writes))
        self._runtime.spawn(self._courier.deliver(Trip(lane, Load(writes), gate, ticket, weight)))
