"""What a search does with freshness: it asks before it is sent, and says what it was told."""

import httpx
import pytest

from search_api.app import Parts, create_app, create_meter
from search_api.freshness.board import Claim
from search_api.freshness.log import Bounds
from search_api.freshness.note import Note
from search_api.freshness.position import parse
from search_api.model import SearchResponse
from streamer.model import Partition
from tests.unit.search_api.fakes import FakeClock, FakeDoor, settings

CLAIM = Claim(Partition("films", 0), "A", 7, Bounds(0, 9), 2, 990.0)


class Told:
    """A freshness that knows one thing, and when it was asked: how many searches were sent before."""

    def __init__(self, door):
        self.door, self.asked, self.running = door, [], False

    async def before(self, name, wish):
        self.asked.append((name, wish, len(self.door.searches)))
        states = tuple((parse(text), "searchable") for text in wish.min_position)
        return Note(1_000.0, "refreshed", (CLAIM,), states)

    def start(self):
        self.running = True

    async def close(self):
        self.running = False


def service(freshness, door):
    parts = Parts(settings(), door, FakeClock(), create_meter(), freshness)
    return httpx.AsyncClient(transport=httpx.ASGITransport(create_app(parts)), base_url="http://test")


@pytest.fixture
def door():
    return FakeDoor()


async def test_an_answer_says_what_was_known_before_it_was_sent(door):
    told = Told(door)
    async with service(told, door) as client:
        answer = (await client.get("/search?q=heist&min_position=films-0@6&max_age=60&wait_ms=10")).json()
    ((name, wish, searches),) = told.asked
    assert (name, searches) == ("films", 0)
    assert (wish.min_position, wish.max_age, wish.wait_ms, wish.accept_stale) == (["films-0@6"], 60, 10, False)
    assert SearchResponse.model_validate(answer).freshness
    assert answer["freshness"] == {
        "stale": False,
        "age_s": 10.0,
        "waited_ms": 0.0,
        "searchable": "refreshed",
        "partitions": [
            {"topic": "films", "partition": 0, "topic_id": "A", "offset": 7, "end": 9, "lag": 2, "lag_s": 10.0}
        ],
        "positions": [{"position": "films-0@6", "state": "searchable"}],
    }


async def test_a_body_asks_the_same(door):
    told = Told(door)
    async with service(told, door) as client:
        wanted = {"query": "heist", "min_position": ["films-0@6", "films-1@2"], "accept_stale": True}
        assert (await client.post("/search", json=wanted)).is_success
    assert told.asked[0][1].min_position == ["films-0@6", "films-1@2"]


@pytest.mark.parametrize("wrong", ["min_position=films", "max_age=-1", "wait_ms=-1", "accept_stale=perhaps"])
async def test_what_cannot_be_asked_is_a_problem(door, wrong):
    async with service(Told(door), door) as client:
        assert (await client.get(f"/search?q=heist&{wrong}")).status_code == 422
    assert door.searches == []


async def test_what_is_refused_does_not_wait(door):
    told = Told(door)
    async with service(told, door) as client:
        assert (await client.post("/search", json={"query": "x", "size": 9_999, "max_age": 1.0})).status_code == 422
    assert told.asked == []


async def test_without_kafka_everything_else_works_and_freshness_is_absent(door):
    async with service(None, door) as client:
        assert "freshness" not in (await client.get("/search?q=heist")).json()
        refused = await client.get("/search?q=heist&max_age=5")
        assert (refused.status_code, refused.json()["type"]) == (422, "/problems/invalid-request")
        assert "not known here" in refused.json()["detail"]


async def test_a_walk_does_not_wait_and_says_so(door):
    async with service(Told(door), door) as client:
        search = {"query": "heist", "mode": "lexical", "min_position": ["films-0@6"]}
        refused = await client.post("/search/cursor", json={"search": search})
        assert "a walk does not wait" in refused.text


async def test_it_begins_and_ends_with_the_service(door):
    told = Told(door)
    application = create_app(Parts(settings(), door, FakeClock(), create_meter(), told))
    async with application.router.lifespan_context(application):
        assert told.running
    assert not told.running
