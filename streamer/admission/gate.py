"""The door to a deployment: it lets in what the window allows, and nothing while the deployment is gone."""

from __future__ import annotations

from collections.abc import Callable

from streamer.admission.limit import Limit
from streamer.clock import Clock

PROBE_FIRST_SECONDS = 1.0
PROBE_GROWTH = 1.5
PROBE_MOST_SECONDS = 5.0
CUT_SECONDS = 1.0


class Ticket:
    """Slots that a bulk holds. Each slot ends exactly once, in success, overload or ignore.

    After an overload the document waits in its place, so its slot is taken again at once: what is in backoff counts
    into the window.
    """

    def __init__(self, gate: Gate, inputs: int) -> None:
        """Hold `inputs` slots of `gate`."""
        self._gate = gate
        self.inputs = inputs

    def success(self, inputs: int) -> None:
        """Free slots whose documents were inferred."""
        self._free(inputs)
        self._gate.succeeded(inputs)

    def ignore(self, inputs: int) -> None:
        """Free slots whose end says nothing about the deployment."""
        self._free(inputs)

    def answered(self, refused: int, sent: int) -> None:
        """Tell for how many of the documents of a bulk the queue was full; their slots stay taken."""
        self._gate.answered(refused, sent)

    def exchange(self, before: int, after: int) -> None:
        """Note that a newer document with other inputs goes in the place of one that is sent again."""
        self._free(before - after)

    def _free(self, inputs: int) -> None:
        assert inputs <= self.inputs, (inputs, self.inputs)  # noqa: S101 - a programming error
        self.inputs -= inputs
        self._gate.freed(inputs)


class Pressure:
    """Which part of what was sent in this second and the one before met a full queue."""

    def __init__(self, now: float) -> None:
        """Begin with nothing sent."""
        self._since = now
        self._before = self._present = (0, 0)

    @property
    def share(self) -> float:
        """The part, 0 when nothing was sent."""
        refused, sent = (sum(pair) for pair in zip(self._before, self._present, strict=True))
        return refused / sent if sent else 0.0

    def add(self, refused: int, sent: int, now: float) -> None:
        """Count an answer."""
        passed = now - self._since
        if passed >= CUT_SECONDS:
            self._before = self._present if passed < 2 * CUT_SECONDS else (0, 0)
            self._present, self._since = (0, 0), now
        self._present = (self._present[0] + refused, self._present[1] + sent)


class Hold:
    """Why nothing is sent, and when to try again with one document.

    `inference_only` says that the deployment alone is gone, and Elasticsearch would take documents without tokens.
    """

    def __init__(self, reason: str, now: float, *, inference_only: bool) -> None:
        """Begin to hold."""
        self.reason, self.inference_only = reason, inference_only
        self.since = now
        self.probing = False
        self._delay = PROBE_FIRST_SECONDS
        self._next = now + self._delay

    def wait(self, now: float) -> float:
        """Return the seconds until the next probe is due."""
        return max(0.0, self._next - now)

    def failed(self, reason: str, now: float, *, inference_only: bool) -> None:
        """Note that a probe found the deployment still gone: wait longer, up to a limit."""
        self.reason, self.inference_only = reason, inference_only
        self.probing = False
        self._delay = min(PROBE_MOST_SECONDS, self._delay * PROBE_GROWTH)
        self._next = now + self._delay


class Gate:
    """Enforces a window for one deployment; calls `changed` whenever more may pass."""

    def __init__(self, limit: Limit, clock: Clock, changed: Callable[[], None]) -> None:
        """Begin open and empty."""
        self.limit = limit
        self._clock = clock
        self._changed = changed
        self.used = 0
        self.hold: Hold | None = None
        self._next_cut = clock.monotonic()
        self._pressure = Pressure(clock.monotonic())

    @property
    def room(self) -> int:
        """Inputs that may pass now; during a hold one, if nobody else is there to probe."""
        if self.hold is not None:
            return 0 if self.used else 1
        return max(0, self.limit.window - self.used)

    def admit(self, inputs: int) -> Ticket:
        """Let `inputs` pass."""
        self.used += inputs
        return Ticket(self, inputs)

    def freed(self, inputs: int) -> None:
        """Take slots back."""
        self.used -= inputs
        self._changed()

    def succeeded(self, inputs: int) -> None:
        """Tell the limit what got through."""
        self.limit.on_success(inputs, self._clock.monotonic())

    def idle(self) -> None:
        """Note that nothing waits: if there is room, the deployment has less to do than it could."""
        if self.room:
            self.limit.on_idle(self._clock.monotonic())

    def answered(self, refused: int, sent: int) -> None:
        """Cut the window when the queue was full, once for all the bulks that met the same full queue."""
        now = self._clock.monotonic()
        self._pressure.add(refused, sent, now)
        if refused and now >= self._next_cut:
            self.limit.on_overload(self.used, self._pressure.share, now)
            self._next_cut = now + CUT_SECONDS

    def close(self, reason: str, *, probed: bool = False, inference_only: bool = False) -> None:
        """Hold: nothing passes until a probe succeeds. `probed` says that it is the probe that found it so.

        What was sent before the hold may say so again, while a probe is out: that one is still waited for.
        """
        now = self._clock.monotonic()
        if self.hold is None:
            self.hold = Hold(reason, now, inference_only=inference_only)
            self.limit.on_hold(now)
        elif probed:
            self.hold.failed(reason, now, inference_only=inference_only)
        self._changed()

    def down_for(self) -> float:
        """Return for how many seconds inference has been gone while the rest of Elasticsearch is there; 0 if not."""
        if self.hold is None or not self.hold.inference_only:
            return 0.0
        return self._clock.monotonic() - self.hold.since

    def probe_wait(self) -> float:
        """Return the seconds until one document may be sent to see if the deployment is back; 0 if one may now."""
        if self.hold is None:
            return 0.0
        busy = self.hold.probing or self.used
        return PROBE_MOST_SECONDS if busy else self.hold.wait(self._clock.monotonic())

    def probe(self) -> bool:
        """Return whether the caller may send one document to see if the deployment is back."""
        hold = self.hold
        if hold is None or hold.probing or hold.wait(self._clock.monotonic()) > 0:
            return False
        hold.probing = True
        return True

    def open(self) -> None:
        """End the hold, if there is one: an answer came that is not about something missing."""
        if self.hold is not None:
            self.hold = None
            self.limit.on_resume(self._clock.monotonic())
            self._changed()
