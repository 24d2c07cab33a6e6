"""A queue that is full: every document arrives, once, and the refusals are counted."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.fixtures.films import films, records_of
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import until

FILMS = 150
CAPACITY = 8


def fill(url: str, endpoint: str) -> None:
    """Be somebody else, with as many texts as the queue holds."""
    texts = [f"a stranger's text {number}" for number in range(CAPACITY)]
    path = f"/_inference/sparse_embedding/{endpoint}?timeout=120s"
    httpx.post(f"{url}{path}", json={"input": texts}, timeout=130).raise_for_status()


def assert_each_once(case, running):
    """All is there, and nothing that had succeeded was sent again."""
    case.await_done(running)
    assert_exact(case)
    assert results(running) == {"indexed": FILMS}
    assert case.letters() == []
    counted = running.metric("streamer_rejections_total")
    assert sum(counted.values()) == running.status()["rejections"] > 0
    return counted


def test_a_stranger_fills_a_small_queue(scenario, elastic):
    case = scenario(deployment={"queue_capacity": CAPACITY})
    case.set_up(base_ms=20)
    endpoint = f"{case.name}-stranger"
    elastic.attach_endpoint(endpoint, case.deployment)
    elastic.fault("stall", deployment=case.deployment)
    with ThreadPoolExecutor(1) as strangers:
        served = strangers.submit(fill, elastic.url, endpoint)
        until(lambda: elastic.pending(case.deployment) == CAPACITY, "a full queue")
        case.send(records_of(films(FILMS)))
        running = case.start()
        until(lambda: running.status()["rejections"], "a refusal")
        assert running.status()["deployments"][case.deployment]["window"] <= CAPACITY // 2
        elastic.heal()
        served.result()
    elastic.remove(f"/_inference/sparse_embedding/{endpoint}")
    assert assert_each_once(case, running).keys() == {("queue_full",)}


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_share_of_the_items_is_refused(scenario, elastic, share):
    case = scenario(deployment={"number_of_allocations": 4})
    case.set_up()
    # Bounded: who is refused nine times out of ten waits ever longer between tries.
    elastic.fault("reject_items", share=share, seed=8, deployment=case.deployment, count=200)
    case.send(records_of(films(FILMS)))
    running = case.start()
    counted = assert_each_once(case, running)
    assert counted == {("queue_full",): elastic.struck("reject_items")}
    assert elastic.inferences(case.deployment) == FILMS


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "indexing_pressure", "share": 0.4, "seed": 3, "count": 8}, "indexing_pressure"),
        ({"kind": "http_status", "status": 429, "path": "/_bulk", "count": 3}, "rejected"),
        ({"kind": "http_status", "status": 503, "path": "/_bulk", "count": 3}, "unavailable"),
        ({"kind": "http_status", "status": 413, "path": "/_bulk", "count": 2}, None),
        ({"kind": "drop_connections", "path": "/_bulk", "when": "before", "count": 3}, "unreachable"),
    ],
    ids=lambda given: str(given["kind"]) + str(given.get("status", "")) if isinstance(given, dict) else "",
)
def test_whole_requests_are_refused(scenario, elastic, fault, reason):
    case = scenario(deployment={"number_of_allocations": 4})
    case.set_up()
    elastic.fault(**fault)
    case.send(records_of(films(FILMS)))
    running = case.start()
    case.await_done(running)
    assert_exact(case)
    assert results(running) == {"indexed": FILMS}
    assert elastic.struck(fault["kind"]) > 0
    assert {name for (name,) in running.metric("streamer_rejections_total")} == ({reason} - {None})
    assert elastic.inferences(case.deployment) == FILMS
    assert case.letters() == []


def test_an_answer_that_never_came_is_found_as_repeated(scenario, elastic):
    """The connection is cut after the work was done: the second try finds the documents there."""
    case = scenario(deployment={"number_of_allocations": 4})
    case.set_up()
    elastic.fault("drop_connections", path="/_bulk", when="after", count=2)
    case.send(records_of(films(FILMS)))
    running = case.start()
    case.await_done(running)
    assert_exact(case)
    found = results(running)
    assert found["repeated"] > 0
    assert found["indexed"] + found["repeated"] == FILMS
    assert case.letters() == []
