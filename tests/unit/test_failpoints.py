"""Failpoints: nothing without the variable, loud where it is wrong, and each of them lies somewhere in the code."""

import re
import signal
import subprocess
import sys
from collections import Counter

import pytest

from streamer import failpoints
from streamer.errors import FailpointReached, SettingsError
from tests.unit.sources import ROOT

REACHED = re.compile(r'failpoints\.reach\("([^"]*)"\)')


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoints.arm({})


def arm(text):
    failpoints.arm({failpoints.VARIABLE: text})


def test_nothing_happens_without_the_variable():
    failpoints.arm({})
    for point in failpoints.POINTS:
        failpoints.reach(point)


def test_an_armed_point_raises_and_no_other_does():
    arm("taken=error")
    failpoints.reach("booked")
    with pytest.raises(FailpointReached, match="taken"):
        failpoints.reach("taken")


def test_a_number_is_how_often_it_passes_before():
    arm("taken=error:2, booked=error")
    failpoints.reach("taken")
    failpoints.reach("taken")
    with pytest.raises(FailpointReached, match="taken"):
        failpoints.reach("taken")
    with pytest.raises(FailpointReached, match="booked"):
        failpoints.reach("booked")


@pytest.mark.parametrize(
    "text", ["nowhere=kill", "taken", "taken=explode", "taken=kill:soon", "taken=kill;booked=kill"]
)
def test_what_is_no_failpoint_is_refused(text):
    with pytest.raises(SettingsError, match=failpoints.VARIABLE):
        arm(text)


def test_a_kill_is_a_sigkill():
    code = "from streamer import failpoints; failpoints.arm(); failpoints.reach('taken'); print('alive')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={failpoints.VARIABLE: "taken=kill"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert "alive" not in done.stdout
    assert "failpoints are armed" in done.stdout + done.stderr


def test_each_point_lies_in_the_code_and_each_that_lies_there_is_known():
    found = Counter(name for path in (ROOT / "streamer").rglob("*.py") for name in REACHED.findall(path.read_text()))
    assert found.keys() == failpoints.POINTS.keys()
