"""Markers and notes in a state index of the real server: read as of now, purged when old, kept when written anew."""

import pytest

import schemas
from streamer.delivery.bulk import FILTER_PATH, BulkCodec
from streamer.delivery.outcome import Action
from streamer.delivery.precedence import Precedence
from streamer.delivery.retention import DAY_MS, Retention
from streamer.elastic import Elastic
from streamer.kafka.admin import Topic
from streamer.model import Result
from streamer.settings import ElasticsearchSettings
from streamer.tools.notes import Notes
from tests.fakes.clock import HandClock
from tests.unit.builders import carrying, deletion, parcel, record, route, write
from tests.unit.tools.dead import DEAD, letter

DAYS = 30


@pytest.fixture
async def elastic(stack):
    elastic = Elastic(ElasticsearchSettings(urls=[stack.elasticsearch_url]))
    yield elastic
    await elastic.close()


@pytest.fixture
async def state(sandbox, elastic):
    name = f"{sandbox.name}-kept"
    await elastic.put(f"/{name}-000001", schemas.body("state") | {"aliases": {name: {}}})
    sandbox.remove(f"/{name}-000001")
    return name


@pytest.fixture
async def index(sandbox):
    return await sandbox.index(alias=f"{sandbox.name}-alias")


def routes(index):
    return {"films": route(index=index, concrete_index=index)}


async def mark(elastic, state, index, *deletions, at_ms):
    codec = BulkCodec(routes(index), state)
    found = codec.read(deletions, await elastic.bulk(codec.encode(deletions, at_ms), FILTER_PATH))
    assert {one.result for one in found} <= {Result.DELETED, Result.REPEATED}


async def kept(elastic, state):
    await elastic.post(f"/{state}/_refresh")
    answer = await elastic.post(f"/{state}/_search", {"size": 100})
    return sorted(hit["_source"].get("id", hit["_source"]["kind"]) for hit in answer["hits"]["hits"])


def returned(offset, name):
    old = record(offset, key=name.encode())
    return write(offset, name, record=old, via=carrying(parcel(old)))


async def test_markers_are_seen_at_once(elastic, state, index):
    async def ask(batch):
        return [Action.RETRY] * len(batch)

    precedence = Precedence(elastic, routes(index), state)
    await mark(elastic, state, index, deletion(5, "newer"), deletion(3, "same"), deletion(1, "older"), at_ms=1)
    batch = [returned(3, name) for name in ("newer", "same", "older", "none")]
    stale, *others = await precedence.checked([*batch, write(3, "newer")], ask)
    assert (stale.action, stale.result) == (Action.DONE, Result.STALE)
    assert others == [Action.RETRY] * 4


async def test_without_the_state_index_nothing_is_known(elastic, state, index):
    async def ask(batch):
        return []

    (verdict,) = await Precedence(elastic, routes(index), f"{state}-gone").checked([returned(3, "a")], ask)
    assert verdict.action is Action.HOLD
    assert "index_not_found_exception" in verdict.detail


async def test_what_is_old_is_purged_and_a_renewed_marker_stays(elastic, state, index):
    clock = HandClock()
    now = clock.now_ms()
    await mark(elastic, state, index, deletion(1, "old"), deletion(1, "renewed"), at_ms=now - 2 * DAYS * DAY_MS - 1)
    await mark(elastic, state, index, deletion(1, "young"), deletion(2, "renewed"), at_ms=now - DAYS * DAY_MS)
    await Notes(elastic, state, "cluster", Topic(DEAD.topic, "tid", 1), clock).write([letter()], "redriven")
    await elastic.put(f"/{state}/_doc/epoch", {"kind": "epoch", "created_at_ms": 1})
    assert await Retention(elastic, state, DAYS, clock).purge() == 1
    assert await kept(elastic, state) == ["epoch", "letter", "renewed", "young"]


async def test_a_marker_that_is_renewed_after_it_was_found_stays(elastic, state, index):
    class Late(Retention):
        async def _page(self, before_ms):
            found = await super()._page(before_ms)
            await mark(elastic, state, index, deletion(2, "renewed"), at_ms=clock.now_ms())
            return found

    clock = HandClock()
    await mark(elastic, state, index, deletion(1, "renewed"), deletion(1, "old"), at_ms=1)
    assert await Late(elastic, state, DAYS, clock).purge() == 1
    assert await kept(elastic, state) == ["renewed"]


async def test_a_note_stands_once(elastic, state):
    notes = Notes(elastic, state, "cluster", Topic(DEAD.topic, "tid", 1), HandClock())
    assert await notes.deeds([letter()]) == [None]
    await notes.write([letter()], "redriven")
    await notes.write([letter()], "discarded")
    assert await notes.deeds([letter()]) == ["redriven"]
