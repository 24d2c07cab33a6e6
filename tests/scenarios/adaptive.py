"""Adaptive allocations: how many a deployment should have, looked at every ten seconds.

Written from the documented behaviour, as the local stack's ML node has it: demand is requests a second (those that are
refused and those that the queue grew by included) times the time of one, both smoothed by a Kalman filter. One more
while demand, less its standard error, is above 0.9 of what there is; one less while it is, with that error, below 0.85
of one fewer; no step down within five minutes of a step up. To zero when no request came for a while, back to one at
the first that does.
"""

from __future__ import annotations

import asyncio
import math

from tests.scenarios.case import Adaptive
from tests.scenarios.server import Server

TICK_S = 10.0
UP_ABOVE, DOWN_BELOW = 0.9, 0.85
COOLDOWN_S = 300.0
MEMORY = 100.0
"""Readings that the filter remembers."""
SURPRISE = 10.0
"""Standard deviations by which a reading must be off for the filter to begin anew from it."""


class Filter:
    """A Kalman filter over one number, which remembers about a hundred readings."""

    def __init__(self, *, jumps: bool) -> None:
        self._jumps, self._jumped = jumps, False
        self.value, self._variance = math.nan, 0.0

    def add(self, value: float, variance: float, *, changed: bool = False) -> None:
        """Learn a reading and how far off it may be; one that is far too far off begins anew."""
        if math.isnan(self.value):
            self.value, self._variance, self._jumped = value, variance, True
            return
        off = value - self.value
        jumps = changed or (self._jumps and off * off > SURPRISE**2 * (self._variance + variance))
        drift = value * value if jumps or self._jumped else variance / MEMORY
        gain = (self._variance + drift) / (self._variance + drift + variance)
        self.value += gain * off
        self._variance = (1 - gain) * (self._variance + drift)
        self._jumped = jumps

    def less(self) -> float:
        """Return the value less its standard deviation."""
        return max(0.0, self.value - math.sqrt(self._variance))

    def more(self) -> float:
        """Return the value plus its standard deviation."""
        return self.value + math.sqrt(self._variance)


class Demand:
    """The demand of a deployment, in allocations."""

    def __init__(self) -> None:
        self._rate, self._time = Filter(jumps=True), Filter(jumps=False)
        self._changed = False

    def learn(self, requests: int, inferences: int, worked_s: float, seconds: float) -> None:
        """Learn what came in `seconds`, and how long what was inferred took; requests are a Poisson process."""
        rate = requests / seconds
        expected = max(1.0, (rate if math.isnan(self._rate.value) else self._rate.value) * seconds)
        self._rate.add(rate, expected / seconds**2)
        if inferences:
            mean = worked_s / inferences
            typical = mean if math.isnan(self._time.value) else self._time.value
            self._time.add(mean, typical * typical / max(1, requests), changed=self._changed)

    def allocations(self, present: int, bounds: Adaptive) -> int:
        """Return how many there should be where there are `present`."""
        if math.isnan(self._rate.value):
            return present
        least, most = self._rate.less(), self._rate.more()
        if not math.isnan(self._time.value):  # before the first inference one is taken for a second
            least, most = least * self._time.less(), most * self._time.more()
        wanted = max(1, present)
        while least / wanted > UP_ABOVE:
            wanted += 1
        while wanted > 1 and most / (wanted - 1) < DOWN_BELOW:
            wanted -= 1
        wanted = min(bounds.most, max(bounds.least, wanted))
        self._changed = wanted != present
        return wanted


class Scaler:
    """Scales the one node of a deployment."""

    def __init__(self, server: Server, bounds: Adaptive) -> None:
        self._server, self._bounds = server, bounds
        self._demand = Demand()
        self._seen = (0, 0, 0.0, 0)
        self._requests, self._idle_since, self._up_at = 0, 0.0, -COOLDOWN_S
        self._starting: asyncio.TimerHandle | None = None
        server.wanted = self._wanted

    async def run(self) -> None:
        """Look every ten seconds until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            self._tick()

    def _tick(self) -> None:
        node = self._server.nodes[0]
        counters = node.counters
        now_seen = (counters.inferences, counters.rejected, counters.worked_s, node.pending)
        inferences, rejected, worked_s, grown = (new - old for new, old in zip(now_seen, self._seen, strict=True))
        self._seen = now_seen
        if node.allocations and inferences >= 0:
            self._demand.learn(inferences + max(0, rejected) + max(0, grown), inferences, worked_s, TICK_S)
            self._to(self._demand.allocations(node.allocations, self._bounds))
        self._look_for_nothing()

    def _look_for_nothing(self) -> None:
        server, after = self._server, self._bounds.zero_after_s
        if server.requests != self._requests:
            self._requests, self._idle_since = server.requests, server.now
        if (
            after is not None
            and not self._bounds.least
            and server.nodes[0].allocations
            and server.now - self._idle_since >= after
        ):
            server.nodes[0].scale(0)
            server.nodes[0].begin_anew()
            self._demand, self._seen = Demand(), (0, 0, 0.0, 0)

    def _wanted(self) -> None:
        if self._starting is None:
            self._grow(1)

    def _to(self, wanted: int) -> None:
        present, now = self._server.nodes[0].allocations, self._server.now
        if wanted > present and self._starting is None:
            self._up_at = now
            self._grow(wanted)
        elif wanted < present and now - self._up_at >= COOLDOWN_S:
            self._server.nodes[0].scale(wanted)

    def _grow(self, wanted: int) -> None:
        self._starting = self._server.loop.call_later(self._bounds.start_s, self._started, wanted)

    def _started(self, wanted: int) -> None:
        self._starting = None
        self._server.nodes[0].scale(wanted)
