import pytest

from streamer.errors import InputError
from streamer.tools.pace import Pace, per_second
from streamer.tools.progress import describe
from tests.fakes.clock import HandClock


@pytest.mark.parametrize(
    ("text", "rate"), [("500/s", 500), ("500", 500), ("30/min", 0.5), ("7200/h", 2), ("0.5/s", 0.5), (" 1/s ", 1)]
)
def test_rates(text, rate):
    assert per_second(text) == rate


@pytest.mark.parametrize("text", ["", "0", "0/s", "-1/s", "5/d", "fast", "5 /s"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InputError, match="for example 500/s"):
        per_second(text)


async def test_a_steady_rate():
    clock = HandClock()
    pace = Pace(clock, 50.0)
    for _ in range(101):
        await pace.wait()
    assert clock.now == pytest.approx(2.0)


async def test_small_gaps_are_slept_together():
    clock = HandClock()
    pace = Pace(clock, 10_000.0)
    for _ in range(20_000):
        await pace.wait()
    assert clock.now == pytest.approx(2.0, abs=0.02)


async def test_no_burst_after_a_long_wait():
    clock = HandClock()
    pace = Pace(clock, 10.0)
    await pace.wait()
    clock.now = 100.0
    for _ in range(31):
        await pace.wait()
    assert clock.now == pytest.approx(102.0)


async def test_without_a_rate_nothing_waits():
    clock = HandClock()
    pace = Pace(clock, None)
    for _ in range(1_000):
        await pace.wait()
    assert clock.now == 0.0


def test_progress_in_words():
    assert describe("loading x", part=0.25, rows=2_500, seconds=5.0) == (
        "loading x: 25%, 2,500 rows, 500 rows/s, 15 s left"
    )
    assert describe("loading x", part=0.0, rows=0, seconds=0.0) == "loading x: 0%, 0 rows, 0 rows/s"
