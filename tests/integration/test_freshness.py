"""Read your writes: a producer's position, a search that waits for it, and the document is there."""

import json
import time
from contextlib import contextmanager
from statistics import quantiles

import jsonschema
import pytest

import schemas
from tests.fixtures.sidecar import Sidecar
from tests.fixtures.waiting import until


@pytest.fixture
def sidecar(stack, tmp_path):
    """Make search services beside a scenario."""

    @contextmanager
    def make(case, **sections):
        made = Sidecar(case, stack, tmp_path, **sections)
        try:
            yield made
        finally:
            made.close()

    return make


def write(case, key, text):
    """Produce one document and return its position, as the delivery report tells it."""
    (sent,) = case.send([(key.encode(), json.dumps({"text": text}).encode())])
    return position_of(sent)


def position_of(sent):
    return f"{sent.topic}-{sent.partition}@{sent.offset}"


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


def states(answer):
    return [one["state"] for one in answer["freshness"]["positions"]]


def test_what_was_written_is_read_fifty_times_in_a_row(scenario, sidecar):
    case = scenario()
    case.set_up()
    case.start()
    waits = []
    with sidecar(case) as search:
        for number in range(50):
            position = write(case, f"key-{number}", f"word{number}")
            began = time.monotonic()
            answer = search.search(f"word{number}", min_position=position, wait_ms=30_000)
            waits.append(time.monotonic() - began)
            assert ids(answer) == [f"key-{number}"]
            assert states(answer) == ["searchable"]
            assert answer["freshness"]["stale"] is False
            jsonschema.validate(answer, schemas.schema("search_response"))
        answer = search.search("word7", max_age=10.0, wait_ms=30_000)
        freshness = answer["freshness"]
        assert freshness["age_s"] <= 10.0
        assert {one["partition"]: one["offset"] for one in freshness["partitions"]} | case.kafka.ends(case.topic) == {
            one["partition"]: one["end"] for one in freshness["partitions"]
        }
        assert [one["lag"] for one in freshness["partitions"]] == [0, 0, 0, 0]
    cuts = quantiles(waits[5:], n=100)
    print(f"read your writes: p50 {cuts[49]:.3f} s, p99 {cuts[98]:.3f} s, first {waits[0]:.3f} s")  # noqa: T201


def test_how_a_position_ended_is_told(scenario, sidecar):
    case = scenario()
    case.set_up(partitions=1)
    case.start()
    with sidecar(case) as search:
        write(case, "a", "first")
        (broken,) = case.send([(b"b", b"no json")])
        last = write(case, "c", "third")
        answer = search.search("third", min_position=[position_of(broken), last], wait_ms=30_000)
        assert states(answer) == ["dead_lettered", "searchable"]
        gone = case.send([(b"d", json.dumps({"text": f"state{n}"}).encode()) for n in range(20)])
        answer = search.search("state19", min_position=[position_of(one) for one in gone], wait_ms=30_000)
        assert ids(answer) == ["d"]
        assert set(states(answer)) == {"searchable", "superseded"}
        assert states(answer)[-1] == "searchable"


def test_what_is_not_there_is_a_problem(scenario, sidecar):
    case = scenario()
    case.set_up(partitions=1)
    case.start()
    with sidecar(case) as search:
        write(case, "a", "first")
        for wrong in (f"{case.topic}-0@99", f"{case.topic}-3@0", "another-0@0", "nonsense"):
            response = search.get("first", min_position=wrong)
            assert response.status_code == 422, response.text
            assert response.json()["type"] == "/problems/invalid-request"


def test_stale_is_never_passed_off_as_fresh(scenario, sidecar):
    case = scenario()
    case.set_up(partitions=1)
    running = case.start()
    with sidecar(case) as search:
        known = write(case, "a", "known")
        search.search("known", min_position=known, wait_ms=30_000)
        running.terminate()
        running.wait()
        waiting = write(case, "b", "waiting")
        response = search.get("waiting", min_position=waiting, wait_ms=1_500)
        assert (response.status_code, response.json()["type"]) == (504, "/problems/not-fresh-in-time")
        answer = search.search("waiting", min_position=[known, waiting], wait_ms=1_500, accept_stale=True)
        assert (ids(answer), answer["freshness"]["stale"], states(answer)) == ([], True, ["searchable", "pending"])
        response = search.get("waiting", max_age=0.5, wait_ms=1_500)
        assert response.status_code == 504
        (partition,) = search.search("waiting")["freshness"]["partitions"]
        assert (partition["lag"], partition["offset"], partition["end"]) == (1, 1, 2)
        assert partition["lag_s"] >= 1.0
    # Another instance reads the same from the topic.
    with sidecar(case) as search:
        assert states(search.search("known", min_position=known, wait_ms=30_000)) == ["searchable"]
        case.start()
        assert ids(search.search("waiting", min_position=waiting, wait_ms=30_000)) == ["b"]


def test_a_position_of_an_earlier_topic_does_not_count_for_a_new_one(scenario, sidecar):
    case = scenario()
    case.set_up(partitions=1)
    case.start()
    with sidecar(case) as search:
        position = write(case, "a", "first")
        (partition,) = search.search("first", min_position=position, wait_ms=30_000)["freshness"]["partitions"]
        named = f"{position}:{partition['topic_id']}"
        case.make_again(partitions=1)
        new = write(case, "a", "second")
        assert new == position
        until(
            lambda: search.search("second")["freshness"]["partitions"][0]["topic_id"] != partition["topic_id"],
            "the new topic to be seen",
        )
        response = search.get("second", min_position=named, wait_ms=10_000)
        assert (response.status_code, response.json()["type"]) == (410, "/problems/position-gone")
        answer = search.search("second", min_position=new, wait_ms=30_000)
        assert (ids(answer), states(answer)) == (["a"], ["searchable"])


def test_by_interval_no_refresh_is_needed(scenario, sidecar):
    case = scenario()
    case.set_up(partitions=1)
    case.start()
    with sidecar(case, freshness={"searchable_by": "interval"}) as search:
        for number in range(3):
            position = write(case, f"key-{number}", f"word{number}")
            answer = search.search(f"word{number}", min_position=position, wait_ms=30_000)
            assert (ids(answer), answer["freshness"]["searchable"]) == ([f"key-{number}"], "expected")
