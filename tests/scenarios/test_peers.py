"""The models of other clients do what was found of such clients before, in a study with a simulation of its own.

Its figures stand beside each range. They were 20-minute means of another program, so the ranges are wide; what must
not change is who loses what, and in which order of magnitude.
"""

import pytest

from tests.scenarios.case import Case
from tests.scenarios.policies import POLICIES
from tests.scenarios.world import play

EIGHT = {"allocations": 8}
ONE = {"allocations": 1}
AWAY = [{"at": 60, "lose": 1}, {"at": 90, "back": 1}]
FOUR_CLIENTS = [{"join": 0}, {"join": 60}, {"join": 120}, {"join": 180}]


def played(policy, server, seconds=600, **fields):
    case = {"why": "what was found of another client", "seconds": seconds, "server": server, "expect": {}}
    return play(Case.model_validate(case | fields), POLICIES[policy])


def share_repeated(result):
    """Return the part of all inferences that was made again."""
    return result["wasted"] / (result["wasted"] + result.measured.indexed)


@pytest.mark.parametrize("policy", ["streaming_bulk", "streaming_bulk, 3 retries"])
def test_helpers_idle_in_each_tail_and_lose_what_an_outage_refuses(policy):
    calm = played(policy, EIGHT)
    assert 0.83 <= calm["goodput"] <= 0.97  # 83 to 95 %
    assert calm["lost"] == calm["rejections"] == 0
    assert 100_000 < played(policy, EIGHT, 120, events=AWAY)["lost"] < 200_000  # 146,000


def test_helpers_without_retries_lose_each_refused_item():
    refused = played("streaming_bulk", EIGHT | {"queue_capacity": 64}, 120)
    assert refused["lost"] == pytest.approx(refused.measured.rejections, rel=0.01)
    assert refused["rejections"] > 1_000


def test_kafka_connect_stops_at_the_first_refusal():
    result = played("Kafka Connect", EIGHT, 120)
    # 5 x 2,000 never fit into 1,024; what had a slot is indexed, and that is all.
    assert result.measured.indexed == 1_024 + 8
    assert result["lost"] == 0


def test_logstash_is_fine_with_eight_and_repeats_itself_with_one():
    calm = played("Logstash", EIGHT)
    assert (calm["lost"], calm["wasted"]) == (0, 0)
    assert calm["goodput"] > 0.98
    alone = played("Logstash", ONE, 1_200)
    assert 0.6 < share_repeated(alone) < 0.95  # 87 %
    assert 250_000 < played("Logstash", EIGHT, 120, events=AWAY)["lost"] < 800_000  # 518,000


def test_vector_fills_the_queue_with_a_few_requests_of_500():
    blind = played("Vector ARC", EIGHT, 1_200)
    seeing = played("Vector ARC, partial retry", EIGHT, 1_200)
    assert 20 < blind["ingest_p99_s"] < 50  # 26 s
    assert blind["lost"] == blind.measured.rejections
    assert seeing["lost"] == 0
    assert seeing["rejections"] < 200  # 48
    assert share_repeated(played("Vector ARC, partial retry", ONE, 1_200)) > 0.5  # 79 %


def test_vector_with_50_refuses_nothing_and_waits_long():
    small = played("Vector ARC, bulks of 50", EIGHT, 1_200)
    assert small["rejections"] == small["lost"] == 0
    assert 7 < small["ingest_p99_s"] < 30  # 14 s
    assert small["goodput"] > 0.98
    assert 0.4 < played("Vector ARC, bulks of 50", EIGHT, 400, clients=FOUR_CLIENTS)["fairness"] < 0.95  # 0.53 to 0.87


def test_vector_drops_what_an_outage_refuses():
    assert 100_000 < played("Vector ARC", EIGHT, 120, events=AWAY)["lost"] < 2_000_000  # 0.4 to 1.6 million


def test_flink_repeats_what_times_out():
    alone = played("Flink AIMD", ONE, 1_200)
    assert 0.3 < alone["goodput"] < 0.8  # 64 %
    assert 500 < alone["wasted"] < 3_000  # 1,000
    assert alone["lost"] == 0


def test_gradient2_is_the_best_of_them_but_ignores_refusals_and_others():
    calm = played("Gradient2", EIGHT)
    assert calm["goodput"] > 0.99  # 99 %
    assert 3 < calm["ingest_p99_s"] < 8  # 5 s
    assert (
        played("Gradient2", EIGHT | {"queue_capacity": 64})["rejections"] > 10
    )  # 440, which hangs on how soon what was refused goes again
    assert 0.75 < played("Gradient2", {"allocations": 64}, 120)["busy"] <= 1.0  # 85 %
    assert 0.45 < played("Gradient2", EIGHT, 400, clients=FOUR_CLIENTS)["fairness"] < 0.9  # 0.54 to 0.64


def test_connectors_lose_more_than_they_index():
    result = played("Elastic connectors", EIGHT, 1_200)
    assert 1.0 < result["lost"] / result.measured.indexed < 2.5  # 1.5
