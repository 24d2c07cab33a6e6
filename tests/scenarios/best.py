"""The best window that never changes, searched out for one scenario: what a person could have found by trying."""

from __future__ import annotations

from tests.scenarios.case import Case
from tests.scenarios.policies import fixed
from tests.scenarios.world import Result, play

PER_ALLOCATION = (2, 3, 4, 6, 10, 16, 32)
"""Documents in flight that are tried, for each allocation of the start, in all instances together."""
ENOUGH = 0.002
"""Between two windows whose goodput differs less the shorter queue is better."""


def best_fixed(case: Case) -> Result:
    """Return the play with the best goodput, and of the nearly best ones that with the shortest queue."""
    instances = sum(one.count for one in case.clients)
    allocations = case.server.nodes * case.server.allocations or 1
    windows = sorted({max(1, round(allocations * each / instances)) for each in PER_ALLOCATION})
    plays = [play(case, fixed(window)) for window in windows]
    goodput = max(_goodput(one) for one in plays)
    return min((one for one in plays if _goodput(one) >= goodput - ENOUGH), key=lambda one: one["ingest_p99_s"] or 0.0)


def _goodput(result: Result) -> float:
    return result["goodput"] or 0.0
