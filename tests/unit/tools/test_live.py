"""The live line, of `run --progress` and of the demo."""

import pytest

from compose.demo.progress import numbers
from streamer.tools.live import Numbers, eta, line

STATUS = {
    "rate_per_s": 12.5,
    "waiting": 3,
    "in_flight": 2,
    "rejections": 0,
    "results": {"indexed": 1_000, "handed_over": 7},
    "deployments": {"a": {"pending": 4}, "b": {"pending": None}},
    "hold": None,
}


@pytest.mark.parametrize(
    ("left", "rate", "told"),
    [(0, 0, "done"), (5, 0, "unknown"), (90, 1, "1:30"), (1, 100, "0:00"), (36_000, 10, "60:00")],
)
def test_time_to_go(left, rate, told):
    assert eta(left, rate) == told


def test_the_line_says_how_far_and_why_not_farther():
    shown = line(Numbers(1_000, 5, 12.5, 2, 4, 0, "not_deployed"))
    assert shown == (
        "1,000 of 1,005 documents  12.5/s  in flight 2  pending at the deployment 4  rejections 0  "
        "ETA 0:00  HOLD: not_deployed"
    )


def test_the_demo_counts_what_another_instance_does_as_not_done():
    assert numbers(STATUS, lag=9) == Numbers(1_000, 5, 12.5, 2, 4, 0, None)


def test_what_is_done_and_not_committed_is_left_in_the_end():
    idle = STATUS | {"waiting": 0, "in_flight": 0}
    assert numbers(idle, lag=9).left == 9
