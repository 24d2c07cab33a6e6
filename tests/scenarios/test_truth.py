"""The simulated deployment is held to the local ML node: the same scenarios, clients and documents, in real time.

A minute and a half of each must come out alike: how busy the allocations are, how long documents wait in the queue, how
long bulks take, how many documents are refused. What is drawn by lot, lengths of documents and nodes for them, is
simulated with several seeds, and must come out as with one of them. What the machine adds to the way of a bulk and
between two inferences is measured meanwhile by two probes, and is in the simulation.
"""

import asyncio

import pytest

from tests.scenarios.case import Case
from tests.scenarios.policies import POLICIES, fixed
from tests.scenarios.real import differences, play_all_really
from tests.scenarios.world import play

pytestmark = pytest.mark.timeout(600)

SECONDS = 90
SLOW = {"base_ms": 75, "ms_per_token": 3.125}
"""Two and a half times ELSER's, so that what the machine adds matters less."""
SEEDS = (1, 2, 3)
EIGHT = {"allocations": 8}
MIXED = [{"mixed": [{"share": 0.9, "tokens": 64}, {"share": 0.1, "tokens": 512}]}]
# With statistics the streamer trims its wait by half a point of busy share, which is what other work on this machine
# makes of it: that is played at length, on a quiet machine. Here its rate alone carries it.
OURS, BLIND = POLICIES["ours"], {"stats": "denied"}
SCENARIOS = {
    "ours, its rate alone": (OURS, BLIND | {"server": EIGHT}),
    "one allocation": (OURS, BLIND | {"server": {"allocations": 1}, "documents": [{"tokens": 64}]}),
    "the process dies": (OURS, BLIND | {"server": EIGHT, "events": [{"at": 20, "crash": 3}]}),
    "more allocations": (fixed(24), {"server": {"allocations": 4}, "events": [{"at": 20, "allocations": 8}]}),
    "mixed lengths": (fixed(24), {"server": EIGHT, "documents": MIXED}),
    "too few in flight": (fixed(6), {"server": EIGHT}),
    "a queue of a minute": (POLICIES["Logstash"], {"server": EIGHT, "documents": [{"tokens": 100}]}),
    "a small queue": (POLICIES["streaming_bulk"], {"server": EIGHT | {"queue_capacity": 64}}),
}


def case_of(fields, seed=1):
    usual = {"why": "held to the local node", "seconds": SECONDS, "seed": seed, "expect": {}}
    return Case.model_validate(usual | fields | {"server": {"service": SLOW} | fields["server"]})


@pytest.fixture(scope="module")
def really(stack):
    """Play all at the same time: it takes a minute and a half, not that for each."""
    cases = {name: (policy, case_of(fields)) for name, (policy, fields) in SCENARIOS.items()}
    return asyncio.run(play_all_really(stack.elasticsearch_url, cases))


@pytest.mark.parametrize("name", SCENARIOS)
def test_it_comes_out_as_simulated(really, name):
    policy, fields = SCENARIOS[name]
    played, machine = really
    simulated = [play(machine.of(case_of(fields, seed)), policy) for seed in SEEDS]
    assert differences(case_of(fields), simulated, played[name]) == [], machine
