"""Each scenario, played by the streamer as it is: what comes out must be what the file expects."""

from pathlib import Path

import pytest

from tests.scenarios.case import load
from tests.scenarios.policies import POLICIES
from tests.scenarios.verdict import cells, failures
from tests.scenarios.world import play

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_scenario(path, pytestconfig):
    case = load(path)
    if seconds := pytestconfig.getoption("scenario_seconds"):
        case = case.model_copy(update={"seconds": seconds})
    result = play(case, POLICIES["ours"])
    assert failures(case, result) == [], cells(result)


def test_there_are_enough_of_them():
    assert len(CASES) >= 20
