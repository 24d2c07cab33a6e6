"""A topic gets partitions: refused with everything uncommitted kept, until one command has drawn the line."""

import json
from dataclasses import replace

import pytest

from tests.fixtures.films import films, records_of
from tests.fixtures.program import streamer
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import until

FLOW = {"topic_check_interval_s": 0.3}
FILMS = 60
OLD, NEW = 2, 4
"""Doubled: a key stays in its partition or moves to a new one, as `murmur2 % partitions` says."""

FAILED = 1
AT_ONCE = ("--producers-know-after", "0", "--json")


@pytest.fixture
def case(scenario):
    made = scenario(deployment={"number_of_allocations": 4}, flow=FLOW)
    made.set_up(partitions=OLD)
    return made


def state(number, count=FILMS):
    """Return later states, each of which costs an inference."""
    return records_of([film | {"rating": number, "text": f"{film['text']} {number}"} for film in films(count)])


def run_out(case, count=FILMS):
    """Take some films in and stop."""
    running = case.start()
    case.send(records_of(films(count)))
    case.await_done(running)
    running.terminate()
    assert running.wait() == 0


def repartition(case, *arguments):
    return streamer("repartition", case.topic, *arguments, config=case.config)


def assert_refused(case):
    ended = streamer("run", config=case.config)
    assert ended.returncode == FAILED, ended.stderr
    assert f"{NEW} partitions and had {OLD}" in ended.stderr
    assert f"`streamer repartition {case.topic}`" in ended.stderr


def assert_goes_on(case, boundary):
    """Start the stream again and hold every document against its newest record, in the epoch of its place."""
    running = case.start()
    case.send(state(99))
    case.await_done(running)
    ends = {int(number): offset for number, offset in boundary.items()}
    case.sent = [
        replace(one, epoch=3 if one.partition >= OLD else 2 if one.offset >= ends[one.partition] else 1)
        for one in case.sent
    ]
    assert {one.epoch for one in case.sent} == {1, 2, 3}
    assert_exact(case)
    assert case.letters() == []
    running.terminate()
    assert running.wait() == 0


def test_while_it_runs(case):
    running = case.start()
    case.send(records_of(films(FILMS)))
    case.await_done(running)
    case.elastic.synthetic(case.deployment, base_ms=200)
    case.send(state(1))
    before = case.committed
    case.kafka.grow(case.topic, NEW)
    assert running.wait() == FAILED
    assert f"`streamer repartition {case.topic}`" in running.log.read_text()
    assert before <= case.committed < len(case.sent)
    case.elastic.synthetic(case.deployment, base_ms=10)
    # A producer that has not heard of it goes on in the old place, then hears.
    case.send(state(2))
    case.kafka.learn()
    case.send(state(3, FILMS // 2))
    assert_refused(case)
    done = repartition(case, *AT_ONCE)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["topic"], report["partitions"], report["epoch"]) == (case.topic, NEW, 3)
    assert_goes_on(case, report["boundary"])


def test_while_it_was_stopped(case):
    run_out(case)
    case.kafka.grow(case.topic, NEW)
    case.kafka.learn()
    case.send(state(1))
    assert_refused(case)
    done = repartition(case, *AT_ONCE)
    assert done.returncode == 0, done.stderr
    assert_goes_on(case, json.loads(done.stdout)["boundary"])
    again = repartition(case)
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    # A group that reads all of it once more meets newer states from the new partitions: no alarm.
    case.settings["limits"] = {"stale_per_minute": 1}
    case.group = case.settings["kafka"]["group_id"] = f"{case.group}-again"
    rereading = case.start()
    case.await_done(rereading)
    assert_exact(case)
    met = results(rereading)
    # What was taken together with a newer state is superseded by it, the rest is stale.
    assert met["stale"] + met["superseded"] > 1
    assert rereading.alive


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_killed_in_the_middle(scenario, protocol):
    case = scenario(deployment={"number_of_allocations": 4}, flow=FLOW, connection={"group_protocol": protocol})
    case.set_up(partitions=OLD)
    run_out(case, 10)
    case.send(state(1))
    case.kafka.grow(case.topic, NEW)
    case.kafka.learn()
    case.send(state(2))
    case.elastic.synthetic(case.deployment, base_ms=200)
    for _ in range(2):
        before = case.committed
        draining = case.start(command=("repartition", case.topic, *AT_ONCE))
        until(lambda: case.committed > before, "some of it to be drained")  # noqa: B023 - asked at once
        draining.kill()
        assert case.committed < len(case.sent)
        assert_refused(case)
    case.elastic.synthetic(case.deployment, base_ms=10)
    done = repartition(case, *AT_ONCE)
    assert done.returncode == 0, done.stderr
    assert_goes_on(case, json.loads(done.stdout)["boundary"])


def test_asked_to_stop_in_the_middle(case):
    case.settings["flow"] = case.settings["flow"] | {"drain_timeout_s": 0.5}
    run_out(case, 10)
    case.send(state(1))
    case.kafka.grow(case.topic, NEW)
    case.elastic.synthetic(case.deployment, base_ms=1_000)
    draining = case.start(command=("repartition", case.topic, *AT_ONCE))
    case.await_in_flight(draining)
    draining.terminate()
    assert draining.wait() == FAILED
    assert "was not drained to its end" in draining.log.read_text()
    assert_refused(case)


def test_while_the_group_has_a_member(case):
    case.settings["flow"] = case.settings["flow"] | {"topic_check_interval_s": 600}
    running = case.start()
    case.send(records_of(films(5)))
    case.await_done(running)
    case.kafka.grow(case.topic, NEW)
    refused = repartition(case, *AT_ONCE)
    assert refused.returncode == FAILED
    assert f"the group '{case.group}' has 1 members" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_topic_that_is_not_there(case):
    refused = streamer("repartition", "nowhere", config=case.config)
    assert refused.returncode == 2, refused.stderr
    assert "'nowhere'" in refused.stderr
