"""What is measured is what happened: levels, what was possible, how long it took, who got how much, what went wrong."""

import pytest

from tests.scenarios.case import Case
from tests.scenarios.measure import Measured, Track, jain, quantile
from tests.scenarios.policies import POLICIES, fixed
from tests.scenarios.server import Server
from tests.scenarios.verdict import failures, table
from tests.scenarios.world import play


def case(**fields):
    least = {"why": "a case for one test of the figures", "seconds": 60, "expect": {}}
    return Case.model_validate(least | {"server": {"allocations": 4}, "documents": [{"tokens": 40}]} | fields)


def measured(allocations=2.0, seconds=20.0):
    made = Measured(seconds)
    made.allocations.to(0.0, allocations)
    made.power.to(0.0, allocations)
    return made


def test_a_track_is_the_integral_of_a_level():
    track = Track(10)
    track.to(1.1, 2.0)
    track.to(1.5, 0.0)
    track.to(9.9, 1.0)
    track.to(12.0, 0.0)
    assert sum(track.bins) == pytest.approx(0.4 * 2 + 0.1)
    assert track.bins[5] == pytest.approx(0.1 * 2)
    assert track.bins[6] == pytest.approx(0.2 * 2)


def test_busy_and_recovery():
    made = measured()
    made.ours.to(0.0, 2.0)
    made.ours.to(5.0, 0.0)
    made.changes.append(5.0)
    made.ours.to(8.0, 2.0)
    made.finish()
    assert made.busy() == pytest.approx(17 / 20)
    # From the first two seconds at 95 %: they begin a tenth of a second before all is back.
    assert made.recoveries() == [pytest.approx(3.0, abs=0.21)]


def test_what_never_comes_back_takes_until_the_end():
    made = measured()
    made.changes.append(5.0)
    made.finish()
    assert made.recoveries() == [15.0]


def test_what_was_possible_is_what_others_left():
    made = measured()
    made.others.to(0.0, 1.0)
    made.finish()
    assert made.possible() == pytest.approx(20.0)


def test_nobody_can_do_what_has_not_arrived():
    made = measured()
    made.arrived += [(1.0, 3.0), (10.0, 4.0), (19.0, 9.0)]
    made.finish()
    assert made.possible() == pytest.approx(3.0 + 4.0 + 2 * 0.8, abs=0.5)


def test_jain_and_quantiles():
    assert (jain([1, 1, 1, 1]), jain([1, 0, 0, 0]), jain([])) == (1.0, 0.25, 1.0)
    assert (quantile([3, 1, 2], 0.5), quantile([], 0.5), quantile(list(range(100)), 0.99)) == (2, 0.0, 99)


def test_the_perfect_client_is_perfect():
    result = play(case(), POLICIES["ideal"])
    assert (result["goodput"], result["busy"]) == (pytest.approx(1.0, abs=0.01), pytest.approx(1.0, abs=0.001))
    assert result["ingest_p99_s"] == 0


def test_few_in_flight_leave_allocations_idle():
    assert play(case(), fixed(2))["busy"] == pytest.approx(0.5, abs=0.03)


def test_the_same_play_comes_out_the_same():
    first, second = (play(case(search={"rate": 5}), POLICIES["ours"]).figures for _ in range(2))
    assert first == second


def test_a_document_that_is_done_and_not_indexed_is_lost(monkeypatch):
    monkeypatch.setattr(Server, "index", lambda *_: None)
    result = play(case(seconds=20), POLICIES["ours"])
    assert 700 < result["lost"] <= len(result.measured.waits)


def test_what_is_out_of_range_or_ended_is_said():
    given = case(expect={"goodput": [0.99, None], "busy": [None, 0.1], "search_p50_ms": [0, 1]}, best_fixed=2.0)
    result = play(given, POLICIES["ours"])
    lines = failures(given, result)
    assert [line.partition(":")[0] for line in lines] == ["busy", "search_p50_ms", "goodput"]
    result.measured.error = "it fell"
    assert failures(given, result)[0] == "a client ended: it fell"


def test_a_client_that_ends_is_seen(monkeypatch):
    monkeypatch.setattr("tests.scenarios.door.Door.get", lambda *_, **__: 1 / 0)
    assert "ZeroDivisionError" in play(case(), POLICIES["ours"]).measured.error


def test_a_table_has_columns_of_equal_width():
    assert table([["a", "long"]], ["name", "b"]) == "| name | b    |\n|------|------|\n| a    | long |"
