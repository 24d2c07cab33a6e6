import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from compose.local.errors import NotRunning, PartFailed
from compose.local.process import Guard, Part

SLEEPER = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); sys.stdin.read(); "
WAITING = [sys.executable, "-c", SLEEPER + "import time; time.sleep(60)"]


@pytest.fixture
def guard(tmp_path):
    with (tmp_path / "lock").open("w") as lock, Guard(lock.fileno()) as guard:
        yield guard


@pytest.fixture
def make(guard, tmp_path):
    made = []

    def make(command, ready=lambda _: True):
        part = Part("sleeper", lambda: command, log=tmp_path / "part.log", guard=guard, ready=ready)
        made.append(part)
        return part

    yield make
    for part in made:
        part.stop()


def gone(pid, timeout_s=10.0):
    """Whether a process ends in time; a zombie that nobody reaps has ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.02)
                continue
        return True
    return False


def grandchild(part):
    deadline = time.monotonic() + 10
    while not (text := part.log.read_text()).strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(text.split()[-1])


def test_a_stop_ends_the_children_of_the_child_too(make):
    part = make(WAITING)
    part.start()
    pid, below = part.pid, grandchild(part)
    part.stop()
    assert gone(pid)
    assert gone(below)
    assert not part.running


def test_a_part_starts_again_after_a_kill(make):
    part = make(WAITING)
    part.start()
    first = part.pid
    part.kill()
    assert not part.running
    with pytest.raises(NotRunning):
        part.kill()
    part.start()
    assert part.running
    assert part.pid != first
    part.stop()


def test_a_frozen_part_is_running_and_can_be_stopped(make):
    part = make(WAITING)
    part.start()
    part.suspend()
    assert Path(f"/proc/{part.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    assert part.running
    part.stop(timeout_s=10)
    assert not part.running


def test_a_part_that_dies_while_starting_shows_the_end_of_its_log(make, tmp_path):
    (tmp_path / "part.log").write_text("of an earlier run\n")
    part = make([sys.executable, "-c", "print('no such port'); raise SystemExit(3)"], lambda _: False)
    with pytest.raises(PartFailed, match=r"sleeper ended with status 3 while starting") as caught:
        part.start()
    assert caught.value.tail == "no such port"
    assert not part.running


def test_a_part_that_is_not_ready_in_time_is_ended(make):
    part = make(WAITING, lambda _: False)
    with pytest.raises(PartFailed, match=r"was not ready after 0\.2 s"):
        part.start(timeout_s=0.2)
    assert not part.running


@pytest.mark.parametrize("frozen", [False, True])
def test_nothing_is_left_when_the_launcher_is_killed(tmp_path, frozen):
    program = f"""
import sys, time
from pathlib import Path
from compose.local.process import Guard, Part
lock = open({str(tmp_path / "lock")!r}, "w")
guard = Guard(lock.fileno())
log = Path({str(tmp_path / "part.log")!r})
part = Part("sleeper", lambda: {WAITING!r}, log=log, guard=guard, ready=lambda _: log.read_text() != "")
part.start()
if {frozen}:
    part.suspend()
print(part.pid, log.read_text().strip(), guard.pid, flush=True)
time.sleep(60)
"""
    launcher = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
    with launcher:
        pids = [int(pid) for pid in launcher.stdout.readline().split()]
        assert len(pids) == 3
        os.kill(launcher.pid, 9)
    assert all(gone(pid) for pid in pids)
