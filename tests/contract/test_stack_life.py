"""`python -m compose.local up` as a person runs it: started, stopped, killed, started again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compose.local import guard
from tests.fixtures.elastic import Elastic

ROOT = Path(__file__).parents[2]
MODEL = "/_ml/trained_models/.elser_model_2"
READY_S = 120
STOP_S = 60


class Launcher:
    def __init__(self, data):
        self.data = data
        command = [sys.executable, "-m", "compose.local", "up", "--data", str(data)]
        environment = {**os.environ, "LOCAL_KAFKA_PORT": "0", "LOCAL_ELASTICSEARCH_PORT": "0"}
        self.popen = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def addresses(self):
        return json.loads((self.data / "stack.json").read_text())

    def wait_until_up(self):
        lines = [self.popen.stdout.readline() for _ in range(3)]
        assert lines[-1].startswith("data"), "".join(lines) + self.popen.stdout.read()

    def ask(self, method, path, body=None, **parameters):
        with Elastic(self.addresses()["elasticsearch_url"]) as elastic:
            return elastic.ask(method, path, body, **parameters)

    def processes(self):
        """The launcher, its guard and parts, and all that these have started."""
        below, found = [self.popen.pid], []
        while below:
            found.append(below.pop())
            below += children(found[-1])
        return found


def children(parent):
    tasks = Path(f"/proc/{parent}/task").iterdir()
    return [int(pid) for task in tasks for pid in (task / "children").read_text().split()]


def wait_until_gone(pids):
    deadline = time.monotonic() + STOP_S
    while left := [pid for pid in pids if guard.running(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.05)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def start(data):
    started = []

    def start():
        launcher = Launcher(data)
        started.append(launcher)
        launcher.wait_until_up()
        return launcher

    yield start
    for launcher in started:
        with launcher.popen:
            launcher.popen.terminate()


def deploy(launcher):
    launcher.ask("POST", f"{MODEL}/deployment/_start", deployment_id="kept", wait_for="started", timeout="60s")
    launcher.ask("PUT", "/films/_doc/1", {"title": "Alien"}, refresh="true")


def assert_kept(launcher):
    assert launcher.ask("GET", "/films/_doc/1")["_source"] == {"title": "Alien"}
    stats = launcher.ask("GET", f"{MODEL}/_stats")["trained_model_stats"]
    assert "kept" in [stat["deployment_stats"]["deployment_id"] for stat in stats if "deployment_stats" in stat]


def test_data_outlive_a_stop_and_a_kill_and_no_process_does(start, data):
    first = start()
    deploy(first)
    pids = first.processes()
    assert len(pids) >= 5, "launcher, guard, broker, node and one encoder"
    first.popen.send_signal(signal.SIGTERM)
    assert first.popen.wait(timeout=STOP_S) == 0
    wait_until_gone(pids)
    assert not (data / "stack.json").exists()

    second = start()
    assert_kept(second)
    pids = second.processes()
    os.kill(second.popen.pid, signal.SIGKILL)
    third = start()
    wait_until_gone(pids)
    assert_kept(third)

    refused = Launcher(data)
    with refused.popen:
        output, _ = refused.popen.communicate(timeout=READY_S)
    assert refused.popen.returncode == 1
    assert f"in use by process {third.popen.pid}" in output

    pids = third.processes()
    third.popen.send_signal(signal.SIGINT)
    assert third.popen.wait(timeout=STOP_S) == 0
    wait_until_gone(pids)


def test_a_part_that_dies_ends_the_stack_with_its_log(start):
    launcher = start()
    pids = launcher.processes()
    os.kill(launcher.addresses()["parts"]["kafka"], signal.SIGKILL)
    output, _ = launcher.popen.communicate(timeout=STOP_S)
    assert launcher.popen.returncode == 1
    assert "error: kafka ended by itself" in output
    wait_until_gone(pids)
