"""When to send again what was refused for now."""

from __future__ import annotations

from random import Random

import msgspec

from streamer.clock import Clock


class RetryPolicy(msgspec.Struct, frozen=True):
    """Waits grow from `first_s` to `most_s` seconds."""

    first_s: float = 1.0
    growth: float = 2.0
    most_s: float = 4.0

    def longest(self, level: int) -> float:
        """Return the seconds that a wait at `level` takes at most."""
        return min(self.most_s, self.first_s * self.growth ** min(level, 30))


class Backoff:
    """How long to wait, remembered across batches: the next one begins where the last one stood.

    Waits have full jitter (evenly between nothing and the longest), so that batches that met the same full queue do
    not come back together; source of the name: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. It
    grows while most of what is sent is refused, at most once in the longest wait, and shrinks as soon as most gets
    through: a share of refusals that goes on must not slow down the rest.
    """

    def __init__(self, policy: RetryPolicy, clock: Clock, random: Random) -> None:
        """Begin with the shortest waits."""
        self._policy, self._clock, self._random = policy, clock, random
        self._next_step = clock.monotonic()
        self.level = 0

    def told(self, refused: int, sent: int) -> None:
        """Learn how many of the documents that were sent were refused for now."""
        if 2 * refused <= sent:
            self.level = max(0, self.level - 1)
        elif (now := self._clock.monotonic()) >= self._next_step and self._can_grow():
            self.level += 1
            self._next_step = now + self._policy.longest(self.level)

    def wait(self) -> float:
        """Return the seconds to wait now."""
        return self._random.uniform(0, self._policy.longest(self.level))

    def _can_grow(self) -> bool:
        return self._policy.longest(self.level) < self._policy.most_s
