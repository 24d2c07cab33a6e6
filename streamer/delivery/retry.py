"""When to send again what was refused for now."""

from __future__ import annotations

from random import Random

import msgspec


class RetryPolicy(msgspec.Struct, frozen=True):
    """Exponential waits between `first_s` and `most_s` seconds, each spread over half to one and a half of itself."""

    first_s: float = 1.0
    growth: float = 2.0
    most_s: float = 10.0


def wait_before(policy: RetryPolicy, attempt: int, random: Random) -> float:
    """Return the seconds to wait before sending again after `attempt` (1 for the first) refusals."""
    wait = min(policy.most_s, policy.first_s * policy.growth ** min(attempt - 1, 30))
    return wait * random.uniform(0.5, 1.5)
