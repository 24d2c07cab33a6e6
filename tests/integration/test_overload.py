"""A queue that is full: every document arrives, once, and the refusals are counted."""

import threading

import httpx
import pytest

from tests.fixtures.films import films, records_of
from tests.fixtures.scenario import results
from tests.fixtures.truth import assert_exact
from tests.fixtures.waiting import until

FILMS = 150
CAPACITY = 8


class Stranger(threading.Thread):
    """Somebody else who fills the deployment's queue again and again; that he is refused is no concern of his."""

    def __init__(self, url: str, endpoint: str) -> None:
        super().__init__(name="stranger")
        self._url, self._endpoint, self._end = url, endpoint, threading.Event()

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._end.is_set():
                texts = [f"a stranger's text {number}" for number in range(CAPACITY)]
                client.post(f"/_inference/sparse_embedding/{self._endpoint}", json={"input": texts})

    def end(self) -> None:
        self._end.set()
        self.join()


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
    strangers = [Stranger(elastic.url, endpoint) for _ in range(2)]
    for stranger in strangers:
        stranger.start()
    try:
        case.send(records_of(films(FILMS)))
        running = case.start()
        until(lambda: running.status()["rejections"] or results(running)["indexed"] == FILMS, "a refusal")
        case.await_results(running, FILMS // 2)
        assert running.status()["deployments"][case.deployment]["window"] <= CAPACITY // 2
    finally:
        for stranger in strangers:
            stranger.end()
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
        ({"kind": "indexing_pressure", "share": 0.4, "seed": 3, "count": 8}, "rejected"),
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
