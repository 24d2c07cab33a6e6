"""A window by Little's law: so many inputs as get through in the time of one inference and the wished wait before it.

The study behind the constants is told in docs/backpressure.md.
"""

from __future__ import annotations

import msgspec

from streamer.admission.capacity import DEFAULT_QUEUE_CAPACITY, Capacity
from streamer.admission.limit import SAFE_PART, Cut, Parts
from streamer.admission.rate import Rate

WEIGHT = 0.2
"""Of a new reading in the running means."""

PRIOR_SERVICE_S = 0.3
"""An inference of ELSER, until something is known."""

LEAST_SERVICE_S = 0.000_5
"""Statistics count whole milliseconds, and cache hits none."""

BUSY_GOAL, LEAST_DELAY_S, MOST_DELAY_S = 0.975, 0.5, 2.3
SEVERAL = 2.0
"""Times the wished wait, where the trimming begins with several nodes: their queues drift apart at once."""

STATISTICS_LAST_S = 10.0
FIRST_WINDOW, BLIND_WINDOW = 2.0, 8.0
"""Before the first look, and as long as neither it nor what gets through has told anything."""

SET_SECONDS = 0.05
"""The window is worked out at most so often."""

OWN_PART = 0.25
"""Of all inferences that must be ours before the allocations' time is told to be spent on them."""

BLIND = 0.87
"""Part of the wished wait without statistics: nothing tells then how many nodes there are, and how far apart."""

OLD_PART, OLD_INPUTS = 2.0, 8
"""Of ours, so many for each inference that statistics tell of, and beyond: a bulk counts when its last one is done."""

MIXED = 2.0
"""Times everybody's mean inference that ours may be thought to take: searches are shorter, others' texts are not."""


class LittleLimit:
    """Window = rate x (service time + queue delay), the rate being our own or what the allocations could do.

    Of several instances each keeps to its share of what the allocations could do. The delay trims itself between 0.5
    and 2.3 s until they are busy: several nodes, among which documents are drawn at random, need more of it than one.
    With `headroom` so many allocations stay idle for searches, and there is no queue at all.
    """

    def __init__(self, queue_delay_s: float, headroom: int = 0) -> None:
        """Wish for `queue_delay_s` seconds of queue at the deployment, or for `headroom` idle allocations."""
        self._wished, self._headroom = queue_delay_s, headroom
        self._delay, self._share = queue_delay_s, 1.0
        self._service = self._cost = PRIOR_SERVICE_S
        self._busy = BUSY_GOAL
        self._known: Capacity | None = None
        self._known_at, self._known_total, self._set_at = 0.0, 0, 0.0
        self._learned = self._disturbed = False
        self._rate, self._cut = Rate(), Cut()
        self._parts = Parts(0.0, 0.0, PRIOR_SERVICE_S, queue_delay_s, "first")
        self._window = FIRST_WINDOW

    @property
    def window(self) -> int:
        """Document inputs that may be in flight, at least 1."""
        return max(1, int(self._cut.of(self._window)))

    @property
    def parts(self) -> Parts:
        """What the window is made of."""
        return msgspec.structs.replace(self._parts, bound="cut") if self._cut.made else self._parts

    def on_capacity(self, capacity: Capacity | None, now: float) -> None:
        """Learn service time and busy share from what changed since the statistics before."""
        if capacity is not None and capacity.nodes:
            if self._known is None:
                self._delay = self._first_delay(capacity)
            else:
                self._compare(self._known, capacity, now - self._known_at)
            if not self._learned and capacity.inference_ms:
                self._service = self._cost = max(LEAST_SERVICE_S, capacity.inference_ms / 1_000)
            self._known, self._known_at, self._known_total = capacity, now, self._rate.total
            self._disturbed = False
        self._set(now)

    def on_success(self, inputs: int, now: float) -> None:
        """Learn that `inputs` were inferred."""
        self._rate.done(inputs, now)
        self._cut.success(inputs)
        if now - self._set_at >= SET_SECONDS:
            self._set(now)

    def on_overload(self, in_flight: int, share: float, now: float) -> None:
        """Cut the window below what was too much."""
        del now
        self._cut.overload(in_flight, share)

    def on_hold(self, now: float) -> None:
        """Learn nothing from a time in which nothing was sent."""
        self._disturbed = True
        self._set(now)

    def on_resume(self, now: float) -> None:
        """Begin the rate anew."""
        self._disturbed = True
        self._rate.forget()
        self._set(now)

    def on_idle(self, now: float) -> None:
        """Learn nothing about the delay from a time in which nothing waited."""
        del now
        self._disturbed = True

    def set_share(self, share: float) -> None:
        """Take this part of what the deployment can do."""
        if share != self._share:
            self._share = share
            self._set(self._set_at)

    def _compare(self, before: Capacity, after: Capacity, seconds: float) -> None:
        worked_s = (after.worked_ms - before.worked_ms) / 1_000
        inferences = after.inferences - before.inferences
        if worked_s < 0 or inferences < 0 or not after.allocations or seconds <= 0:
            return  # The counters began anew.
        own = self._rate.total - self._known_total
        if own > inferences * OLD_PART + OLD_INPUTS:
            return  # We got more done than they tell of: they are of another time.
        if inferences:
            self._learn(worked_s, inferences, own)
        if after.nodes != before.nodes:
            self._delay = self._first_delay(after)
        elif not self._disturbed:
            # May be above 1 in a short time: an inference counts when it is done. On average it is not.
            self._busy = _mixed(self._busy, worked_s / seconds / after.allocations)
            self._delay = self._trimmed(self._delay * (1 + BUSY_GOAL - self._busy))

    def _learn(self, worked_s: float, inferences: int, own: int) -> None:
        """Learn what one of our inputs costs, from the time that the allocations worked."""
        mean = max(LEAST_SERVICE_S, worked_s / inferences)
        # Of several instances each sees the others' inputs among all, so that nothing is told of who else is there.
        alone = self._share >= 1 and own >= OWN_PART * inferences
        cost = max(mean, worked_s / own) if alone else mean
        self._cost = _mixed(self._cost, cost) if self._learned else cost
        self._service = min(self._cost, MIXED * mean)
        self._learned = True

    def _first_delay(self, capacity: Capacity) -> float:
        return self._trimmed(self._wished * (SEVERAL if capacity.nodes > 1 else 1.0))

    def _trimmed(self, delay: float) -> float:
        least, most = min(LEAST_DELAY_S, self._wished), max(MOST_DELAY_S, self._wished)
        return min(most, max(least, delay))

    def _set(self, now: float) -> None:
        self._set_at = now
        rate = self._rate.per_second(now)
        known = self._known if now - self._known_at <= STATISTICS_LAST_S else None
        if known is None:
            self._set_by_rate(rate)
        else:
            self._set_by_both(rate, known)

    def _set_by_rate(self, rate: float) -> None:
        delay = BLIND * self._wished
        window = rate * (self._service + delay) + 1 if rate else max(1.0, BLIND_WINDOW * self._share)
        self._take(window, Parts(rate, 0.0, self._service, delay, "rate alone"), None)

    def _set_by_both(self, rate: float, known: Capacity) -> None:
        possible = self._share * known.allocations / self._cost
        if self._headroom:
            idle = max(1.0, (known.allocations - self._headroom) * self._share)
            self._take(idle, Parts(rate, possible, self._service, 0.0, "headroom"), known)
            return
        # Of several instances one that has got ahead would keep what it took from the others: they stay at their share.
        ahead = self._share >= 1 and rate > possible
        window = (rate if ahead else possible) * (self._service + self._delay)
        parts = Parts(rate, possible, self._service, self._delay, "rate" if ahead else "allocations")
        self._take(window, parts, known)

    def _take(self, window: float, parts: Parts, known: Capacity | None) -> None:
        slots = known.queue_capacity * known.nodes if known else DEFAULT_QUEUE_CAPACITY
        most = SAFE_PART * slots * self._share
        self._window = min(window, most)
        self._parts = msgspec.structs.replace(parts, bound="queue") if most < window else parts


def _mixed(before: float, now: float) -> float:
    return before + WEIGHT * (now - before)
