"""The simulated deployment keeps the contract that tests/contract holds the local ML node to."""

import asyncio

from tests.fakes.clock import in_virtual_time
from tests.scenarios.adaptive import Demand, Scaler
from tests.scenarios.case import Adaptive, Case, Lengths
from tests.scenarios.documents import Document, seconds_of
from tests.scenarios.measure import Measured
from tests.scenarios.node import DIED, OTHERS, QUEUE_FULL, SEARCH, SHUT_DOWN, STOPPING, Request
from tests.scenarios.server import NOT_ALLOCATED, NOT_DEPLOYED, TOO_MANY_WAIT, Server
from tests.scenarios.stats import stats_of

ONE_S = {"base_ms": 1_000, "ms_per_token": 0, "sigma": 0}
"""Each inference takes a second."""


def server(stats="ok", **fields):
    given = {"why": "a server for one test", "server": {"service": ONE_S} | fields, "expect": {}, "stats": stats}
    return Server(Case.model_validate(given), Measured(100))


def documents(count, partition=0):
    return [Document(partition, number, 0.0) for number in range(count)]


async def ended(there, seconds, count, origin=OTHERS):
    """Submit `count` requests and return a list that fills with (place, second, failure)."""
    seen = []
    for place in range(count):
        there.submit(Request(seconds, origin, lambda n, failure: seen.append((n, round(there.now, 6), failure)), place))
    return seen


@in_virtual_time
async def test_a_bulk_takes_all_its_slots_and_answers_with_its_slowest():
    there = server(allocations=2, queue_capacity=3)
    outcomes = await there.bulk(documents(7), "one")
    # Two are computed at once, three wait, two are refused.
    assert outcomes == [None] * 5 + [QUEUE_FULL] * 2
    assert there.now == 3.0
    assert (there.measured.indexed, there.measured.rejections, there.measured.work) == (5, 2, 5.0)
    assert there.measured.waits == [0.0, 0.0, 1.0, 1.0, 2.0]


@in_virtual_time
async def test_a_search_overtakes_ingest_and_cannot_stop_it():
    there = server(allocations=1)
    ingest = await ended(there, 1.0, 3)
    search = await ended(there, 0.1, 1, SEARCH)
    await asyncio.sleep(10)
    assert search == [(0, 1.1, None)]
    assert [at for _, at, _ in ingest] == [1.0, 2.1, 3.1]


@in_virtual_time
async def test_a_search_is_refused_by_a_full_queue():
    there = server(allocations=1, queue_capacity=1)
    await ended(there, 1.0, 2)
    assert await ended(there, 0.1, 1, SEARCH) == [(0, 0.0, QUEUE_FULL)]


@in_virtual_time
async def test_a_lost_node_fails_all_that_it_had_and_then_there_is_none():
    there = server(allocations=1)
    seen = await ended(there, 1.0, 3)
    await asyncio.sleep(1.5)
    there.lose_node()
    assert [failure for *_, failure in seen] == [None, DIED, DIED]
    assert await ended(there, 1.0, 1) == [(0, 1.5, NOT_ALLOCATED)]
    there.add_node(1)
    assert stats_of(there)["trained_model_stats"][0]["deployment_stats"]["nodes"][0].get("inference_count") is None
    assert there.measured.ours.level == there.measured.others.level == 0


@in_virtual_time
async def test_a_crash_tells_what_was_computed_from_what_waited():
    there = server(allocations=1)
    seen = await ended(there, 1.0, 2)
    there.nodes[0].crash(5.0)
    assert [failure for *_, failure in seen] == [DIED, SHUT_DOWN]
    await asyncio.sleep(6)
    assert (await there.bulk(documents(1), "one")) == [None]


@in_virtual_time
async def test_a_stopped_deployment_takes_nothing():
    there = server(allocations=1)
    seen = await ended(there, 1.0, 2)
    there.deploy(False)
    assert [failure for *_, failure in seen] == [STOPPING, SHUT_DOWN]
    assert (await there.bulk(documents(1), "one")) == [NOT_DEPLOYED]
    assert "deployment_stats" not in stats_of(there)["trained_model_stats"][0]


@in_virtual_time
async def test_ninety_nine_wait_for_the_first_allocation():
    there = server(allocations=0, adaptive={"least": 0, "most": 4, "start_s": 10})
    scaler = Scaler(there, there.case.server.adaptive)
    seen = await ended(there, 1.0, 101)
    assert [(n, failure) for n, _, failure in seen] == [(99, TOO_MANY_WAIT), (100, TOO_MANY_WAIT)]
    assert stats_of(there)["trained_model_stats"][0]["deployment_stats"]["nodes"] == []
    await asyncio.sleep(11.5)
    assert seen[2] == (0, 11.0, None)
    assert scaler is not None


@in_virtual_time
async def test_a_document_that_is_there_already_was_inferred_in_vain():
    there = server(allocations=1)
    same = documents(1)
    await there.bulk(same, "one")
    await there.bulk(same, "two")
    assert (there.measured.indexed, there.measured.wasted, there.measured.work) == (1, 1, 1.0)


@in_virtual_time
async def test_nodes_are_drawn_by_their_allocations():
    there = server(nodes=2, allocations=30)
    there.nodes[0].scale(10)
    await ended(there, 1.0, 1_000)
    assert 200 < there.nodes[0].pending < 300
    assert there.nodes[0].pending + there.nodes[1].pending == 1_000


@in_virtual_time
async def test_hyper_threads_are_worth_a_fifth():
    there = server(allocations=16, cores=8)
    await there.bulk(documents(8), "one")
    assert there.now == 1.0
    await there.bulk(documents(16, partition=1), "one")
    assert 2.4 < there.now < 2.8
    assert there.nodes[0].power == 9.6


@in_virtual_time
async def test_counters_are_printed_above_zero_only():
    there = server(allocations=1, queue_capacity=1)
    (entry,) = stats_of(there)["trained_model_stats"]
    names = {"inference_count", "rejected_execution_count", "error_count", "timeout_count"}
    (node,) = entry["deployment_stats"]["nodes"]
    assert not names & (node.keys() | entry["deployment_stats"].keys())
    assert (node["throughput_last_minute"], "average_inference_time_ms" in node) == (0, False)
    await there.bulk(documents(3), "one")
    (node,) = stats_of(there)["trained_model_stats"][0]["deployment_stats"]["nodes"]
    assert (node["inference_count"], node["rejected_execution_count"], node["average_inference_time_ms"]) == (2, 1, 1e3)
    assert node["throughput_last_minute"] == 0
    await asyncio.sleep(60)
    (node,) = stats_of(there)["trained_model_stats"][0]["deployment_stats"]["nodes"]
    assert (node["throughput_last_minute"], node["peak_throughput_per_minute"]) == (2, 2)


def test_demand_below_nine_tenths_never_scales_up():
    for share, wanted in ((0.88, 4), (0.97, 5), (1.0, 5), (0.5, 3)):
        demand = Demand()
        for _ in range(120):
            demand.learn(round(share * 400), round(share * 400), share * 40.0, 10.0)
        assert demand.allocations(4, Adaptive(least=1, most=8)) == wanted


def test_the_time_of_a_text_is_its_own():
    lengths = Case.model_validate({"why": "nothing but defaults here", "expect": {}}).server.service
    times = [seconds_of(f"0-{number}", 256, lengths) for number in range(2_000)]
    assert seconds_of("0-7", 256, lengths) == times[7]
    assert abs(sum(times) / len(times) - 0.3516) < 0.003
    assert 0.028 < (sum((one - 0.3516) ** 2 for one in times) / len(times)) ** 0.5 < 0.036
    assert Lengths(tokens=256).tokens == 256
