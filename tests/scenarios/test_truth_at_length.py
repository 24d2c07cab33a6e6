"""The simulated deployment held to the local ML node as in test_truth.py, by hand: more of it, five minutes of each.

The window with its statistics, several nodes, instances that join, arrivals, no statistics, other speeds, many
allocations, and other clients. Needs a machine that does nothing else: the streamer trims its wait by half a point of
busy share.
"""

import asyncio

import pytest

from tests.scenarios.policies import POLICIES
from tests.scenarios.real import differences, play_all_really
from tests.scenarios.test_truth import EIGHT, case_of
from tests.scenarios.world import play

pytestmark = pytest.mark.timeout(1_200)

SECONDS = 300
SEEDS = (1, 2, 3, 4, 5)
OURS = POLICIES["ours"]
FOUR_NODES = {"nodes": 4, "allocations": 2}
JOINING = [{"join": 0}, {"join": 60}, {"join": 120}, {"join": 180}]
SCENARIOS = {
    "ours": (OURS, {"server": EIGHT}),
    "ours, one allocation": (OURS, {"server": {"allocations": 1}, "documents": [{"tokens": 64}]}),
    "four nodes": (OURS, {"server": FOUR_NODES}),
    "a node is lost and comes back": (
        OURS,
        {"server": FOUR_NODES, "events": [{"at": 100, "lose": 1}, {"at": 200, "back": 1}]},
    ),
    "four instances join": (OURS, {"server": EIGHT, "clients": JOINING}),
    "arrivals of 80 %": (OURS, {"server": EIGHT, "arrivals": {"load": 0.8}}),
    "no statistics": (OURS, {"server": EIGHT, "stats": "denied"}),
    "half as fast, then twice": (
        OURS,
        {"server": EIGHT, "events": [{"at": 100, "speed": 0.5}, {"at": 200, "speed": 2}]},
    ),
    "sixty-four allocations": (OURS, {"server": {"allocations": 64}}),
    "Gradient2": (POLICIES["Gradient2"], {"server": EIGHT}),
    "Vector ARC, bulks of 50": (POLICIES["Vector ARC, bulks of 50"], {"server": EIGHT}),
}


def five_minutes_of(fields, seed=1):
    return case_of({"seconds": SECONDS} | fields, seed)


@pytest.fixture(scope="module")
def really(stack):
    cases = {name: (policy, five_minutes_of(fields)) for name, (policy, fields) in SCENARIOS.items()}
    return asyncio.run(play_all_really(stack.elasticsearch_url, cases))


@pytest.mark.parametrize("name", SCENARIOS)
def test_five_minutes_come_out_as_simulated(really, name):
    policy, fields = SCENARIOS[name]
    played, machine = really
    simulated = [play(machine.of(five_minutes_of(fields, seed)), policy) for seed in SEEDS]
    assert differences(five_minutes_of(fields), simulated, played[name]) == [], machine
