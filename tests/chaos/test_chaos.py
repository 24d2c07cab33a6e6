"""One short run of faults drawn from a seed; `python -m tests.chaos` does long ones."""

import pytest

from tests.chaos.run import Plan, run

SEED, SECONDS = 1, 45.0


@pytest.mark.timeout(420)
def test_random_faults_lose_nothing_and_turn_nothing_back(tmp_path):
    outcome = run(Plan(SEED, SECONDS), tmp_path)
    assert outcome.problems == []
    assert len(outcome.spells) >= 3
    assert outcome.looks["get"] > 0
    assert outcome.looks["search"] > 0
    assert outcome.letters > 0
    assert outcome.inferences > 0
