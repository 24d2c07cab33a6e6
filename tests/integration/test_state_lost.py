"""The state index is deleted while the stream runs: it is not made anew by a server, and the stream stops."""

import pytest

from tests.fixtures.films import films, key_of, records_of
from tests.fixtures.program import streamer
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import throughout, until

FAILED = 1


@pytest.fixture
def start(scenario):
    def started(seconds):
        case = scenario(flow={"topic_check_interval_s": seconds})
        case.set_up()
        running = case.start()
        case.send(records_of(films(20)))
        case.await_done(running)
        return case, running

    return started


def test_the_stream_stops_and_says_the_way_out(start):
    case, running = start(0.3)
    case.elastic.remove(f"/{case.state_index}")
    assert running.wait() == FAILED
    said = running.log.read_text()
    words = [
        "epoch 1 of the topic",
        "restore the state index from a snapshot",
        f"delete the index behind '{case.index}'",
    ]
    assert [word for word in words if word not in said] == []
    assert not case.elastic.exists(f"/{case.name}-state")
    # The way out: all of it is read once more, by a group that has committed nothing.
    assert streamer("run", config=case.config).returncode == FAILED
    case.elastic.remove(f"/{case.index}-000001")
    assert streamer("setup", config=case.config).returncode == 0
    case.group = case.settings["kafka"]["group_id"] = f"{case.group}-again"
    again = case.start()
    case.await_done(again)
    assert_exact(case)


def test_a_deletion_waits_for_its_marker(start):
    case, running = start(600)
    case.elastic.remove(f"/{case.state_index}")
    before = case.committed
    case.send([(key_of(film), None) for film in films(3)])
    until(lambda: running.status()["hold"] == "index_missing", "a hold")

    def nothing_is_done():
        assert case.committed == before
        assert not case.elastic.exists(f"/{case.name}-state")

    throughout(2.0, nothing_is_done)
    assert running.alive
