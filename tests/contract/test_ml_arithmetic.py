"""The arithmetic of the local ML node, without its clock: the law of adaptive allocations, the synthetic model's times.

The law is that of AdaptiveAllocationsScaler and KalmanFilter1d in Elasticsearch's ML plugin; expected numbers are
worked out by hand. The simulation of the scenarios repeats both, so that it is held to them here as well.
"""

import math
import random
import subprocess
from pathlib import Path

import pytest

from compose.local import build
from tests.scenarios.adaptive import Demand
from tests.scenarios.case import Adaptive, Service
from tests.scenarios.documents import seconds_of, text_of

JAVA = Path(__file__).parent / "java"
PROGRAM = "localml.ml.Arithmetic"
NEVER_S = 1e9
TICK_S = 10
NOTHING = math.nan


class Arithmetic:
    """The program that answers from the node's classes, a line for each question."""

    def __init__(self, process):
        self._process = process

    def tell(self, *words):
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def ask(self, *words):
        self.tell(*words)
        answer = self._process.stdout.readline()
        assert answer, f"no answer to {words}, exit status {self._process.wait()}"
        return float(answer)

    def scaler(self, least=1, most=None, zero_after_s=NEVER_S):
        self.tell("scaler", zero_after_s, *("-" if limit is None else limit for limit in (least, most)))

    def tick(self, requests, inference_s, allocations):
        """Return how many are wanted after ten seconds with so many requests."""
        return int(self.ask("tick", requests, "NaN" if math.isnan(inference_s) else inference_s, TICK_S, allocations))


@pytest.fixture(scope="module")
def arithmetic(tmp_path_factory):
    made, folder = build.artifacts(), tmp_path_factory.mktemp("classes")
    path = made.elasticsearch_class_path
    sources = sorted(map(str, JAVA.rglob("*.java")))
    subprocess.run([made.jdk.javac, "-nowarn", "-d", folder, "-cp", path, *sources], check=True)
    command = [made.jdk.java, "-XX:TieredStopAtLevel=1", "-cp", f"{folder}:{path}", PROGRAM]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Arithmetic(process)
        process.stdin.close()


# --- how many


@pytest.mark.parametrize(("present", "wanted"), [(1, 5), (4, 5), (5, 5), (6, 6), (8, 6)])
def test_the_load_is_kept_between_85_and_90_percent_with_a_standard_error_on_both_sides(arithmetic, present, wanted):
    # 40 a second +- 2, for 0.1 s +- 0.005 each: at least 38 x 0.095 = 3.61, which is over 0.9 of 4; at most
    # 42 x 0.105 = 4.41, which is under 0.85 of 6 and not of 5.
    arithmetic.scaler()
    assert arithmetic.tick(400, 0.1, present) == wanted


@pytest.mark.parametrize(("least", "most", "wanted"), [(1, 3, 3), (7, 9, 7), (None, None, 5), (1, 64, 5)])
def test_the_limits_hold(arithmetic, least, most, wanted):
    arithmetic.scaler(least, most)
    assert arithmetic.tick(400, 0.1, 5) == wanted


@pytest.mark.parametrize(("most", "wanted"), [(None, 32), (40, 40)])
def test_without_a_maximum_there_are_32_at_most(arithmetic, most, wanted):
    arithmetic.scaler(1, most)
    assert arithmetic.tick(100_000, 0.1, 1) == wanted


def test_before_the_first_inference_one_is_taken_for_a_second(arithmetic):
    # 2 a second +- 0.447: at least 1.55 of one second each.
    arithmetic.scaler()
    assert arithmetic.tick(20, NOTHING, 1) == 2


# --- what is remembered


def ticks_until_growth(arithmetic, inferences, most=1_000):
    """Return after how many ticks a deployment of one allocation that is exactly busy grows; None if it never does."""
    arithmetic.scaler()
    ticks = (arithmetic.tick(inferences, TICK_S / inferences, 1) for _ in range(most))
    return next((number for number, wanted in enumerate(ticks, 1) if wanted > 1), None)


def test_who_is_exactly_busy_grows_when_the_margin_is_small_and_never_with_few_inferences(arithmetic):
    # Both margins must be under 1 - sqrt(0.9) = 5.13 %. Of n inferences a tick one is 1/sqrt(n) at first, the first
    # two ticks count for themselves, and in the end it is 0.308/sqrt(n).
    assert ticks_until_growth(arithmetic, 400) == 1
    assert ticks_until_growth(arithmetic, 37) < 200
    assert ticks_until_growth(arithmetic, 35) is None


def test_a_rate_that_jumps_is_followed_at_once_and_one_that_creeps_slowly(arithmetic):
    arithmetic.scaler()
    for _ in range(50):
        assert arithmetic.tick(100, 0.1, 2) == 2
    # 100 +- 10 in a tick: 260 are more than ten standard deviations off, 180 are not.
    assert arithmetic.tick(180, 0.1, 2) == 2
    assert arithmetic.tick(260, 0.1, 2) == 3


def test_the_time_of_an_inference_is_learnt_anew_after_a_change_of_allocations_only(arithmetic):
    # From 0.1 s to 0.3 s: unlikely, yet believed at once only when the number of allocations has just changed.
    arithmetic.scaler()
    for _ in range(50):
        arithmetic.tick(100, 0.1, 2)
    assert arithmetic.tick(100, 0.3, 2) == 2
    arithmetic.scaler()
    for _ in range(50):
        arithmetic.tick(100, 0.1, 2)
    assert arithmetic.tick(100, 0.1, 4) == 2
    # 9.7 a second at least, for 0.29 s at least.
    assert arithmetic.tick(100, 0.3, 2) == 4


# --- zero


def test_they_go_to_zero_when_the_time_without_requests_is_over_and_may_begin_again(arithmetic):
    arithmetic.scaler(0, 4, zero_after_s=20)
    wanted = [arithmetic.tick(requests, NOTHING, 1) for requests in (1, 0, 0, 0)]
    assert wanted == [1, 1, 1, 0]
    arithmetic.tell("wake")
    assert [arithmetic.tick(0, NOTHING, 1) for _ in range(3)] == [1, 1, 0]


def test_with_a_minimum_they_never_go_to_zero(arithmetic):
    arithmetic.scaler(1, 4, zero_after_s=20)
    assert [arithmetic.tick(0, NOTHING, 1) for _ in range(10)] == [1] * 10


# --- the simulation


@pytest.mark.parametrize("seed", range(20))
def test_the_simulation_scales_by_the_same_law(arithmetic, seed):
    drawn, demand, bounds = random.Random(seed), Demand(), Adaptive(least=1, most=16)
    arithmetic.scaler(bounds.least, bounds.most)
    present, load, time_s = 1, drawn.uniform(0.1, 12), drawn.uniform(0.02, 1)
    for step in range(200):
        if drawn.random() < 0.03:
            load, time_s = drawn.uniform(0, 12), drawn.uniform(0.02, 1)
        # At first they only come.
        inferences = round(min(load, present) * TICK_S / time_s * drawn.uniform(0.9, 1.1)) if step > 1 else 0
        requests = inferences + drawn.choice([0, 0, 3, 100])
        mean_s = time_s * drawn.uniform(0.9, 1.1) if inferences else NOTHING
        demand.learn(requests, inferences, inferences * mean_s, TICK_S)
        wanted = demand.allocations(present, bounds)
        assert arithmetic.tick(requests, mean_s, present) == wanted
        present = wanted


@pytest.mark.parametrize(("name", "tokens"), [("0-0", 1), ("3-17", 64), ("11-5", 256), ("7-123456", 512)])
@pytest.mark.parametrize("service", [Service(), Service(base_ms=5, ms_per_token=2, sigma=0.5)])
def test_the_simulation_takes_as_long_as_the_synthetic_model(arithmetic, name, tokens, service):
    question = ("time", service.base_ms, service.ms_per_token, service.sigma, tokens, text_of(name, tokens))
    assert arithmetic.ask(*question) / 1_000 == pytest.approx(seconds_of(name, tokens, service), rel=1e-9)
