"""Two instances share a topic while members come, go and die: drained hand-over, exact content."""

import signal
import threading

import pytest

from tests.fixtures.films import films, key_of, value_of
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import until

KEYS = 120
PARTITIONS = 6
ALL = PARTITIONS + 2
"""The redrive and the backlog topic have one each."""
ROUND = 15
PAUSE_S = 0.05


class Writer(threading.Thread):
    """Goes on changing the same films, in order, until it is told to end."""

    def __init__(self, case) -> None:
        super().__init__(name="writer")
        self._case, self._end = case, threading.Event()

    def run(self) -> None:
        given, number = films(KEYS), 0
        while not self._end.wait(PAUSE_S):
            chosen = [given[(number + step) % KEYS] for step in range(ROUND)]
            self._case.send((key_of(film), value_of(film | {"rating": number})) for film in chosen)
            number += ROUND

    def end(self) -> None:
        self._end.set()
        self.join()


class Versions:
    """What was seen of each document's version, which may only grow."""

    def __init__(self, case) -> None:
        self._case, self._seen = case, {}

    def look(self) -> bool:
        now = {key: found.version for key, found in self._case.elastic.documents(self._case.index).items()}
        fallen = {key: (version, now.get(key)) for key, version in self._seen.items() if now.get(key, 0) < version}
        assert fallen == {}
        self._seen = now
        return True


def has_partitions(running, count):
    return lambda: len(running.status()["partitions"]) == count


def revocations(*running):
    return [event for one in running for event in one.events() if event.get("event") == "revoked"]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_members_come_go_and_die(scenario, protocol):
    case = scenario(deployment={"number_of_allocations": 4}, connection={"group_protocol": protocol})
    case.set_up(partitions=PARTITIONS)
    versions, writer = Versions(case), Writer(case)
    first = case.start()
    first.await_started()
    writer.start()
    try:
        case.await_results(first, 200)
        second = case.start()
        until(has_partitions(second, ALL // 2), "half of the partitions for the second")
        case.await_results(second, 100)
        assert versions.look()
        first.terminate()
        assert first.wait() == 0
        until(has_partitions(second, ALL), "all partitions for the one that stays")
        third = case.start()
        until(has_partitions(third, ALL // 2), "half of the partitions for the third")
        case.await_results(third, 100)
        assert versions.look()
        handed_over = revocations(first, second)
        before = results(second, third)
        second.kill()
        until(has_partitions(third, ALL), "all partitions for the survivor")
        case.await_results(third, sum(before.values()))
        assert versions.look()
    finally:
        writer.end()
    case.await_done(third)
    assert_exact(case)
    assert case.letters() == []
    assert len(handed_over) >= 3
    assert all(event["drained"] for event in handed_over), handed_over
    assert first.event("stopped")["conservation_difference"] == 0
    assert not any(event.get("event") == "lost" for one in (first, second, third) for event in one.events())


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_member_that_froze_comes_back_and_spoils_nothing(scenario, protocol):
    """Its partitions are another's before it knows: what it still had is dropped, not committed."""
    case = scenario(deployment={"number_of_allocations": 4}, connection={"group_protocol": protocol})
    case.set_up(partitions=PARTITIONS)
    versions, writer = Versions(case), Writer(case)
    first, second = case.start(), case.start()
    writer.start()
    try:
        until(has_partitions(first, ALL // 2), "half of the partitions for the first")
        until(has_partitions(second, ALL // 2), "half of the partitions for the second")
        case.await_results(first, 50)
        first.signal(signal.SIGSTOP)
        until(has_partitions(second, ALL), "all partitions for the one that is awake")
        case.await_results(second, sum(results(second).values()) + 200)
        assert versions.look()
        first.signal(signal.SIGCONT)
        until(lambda: first.event("lost"), "the first to know of its loss")
        until(has_partitions(first, ALL // 2), "half of the partitions for the first again")
        case.await_results(first, sum(results(first).values()) + 50)
        assert versions.look()
    finally:
        writer.end()
    case.await_done(first, second)
    assert_exact(case)
    assert case.letters() == []
