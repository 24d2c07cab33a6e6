"""What is old goes, what was written anew stays, and nothing waits for it."""

import asyncio

import orjson

from streamer.delivery.retention import DAY_MS, PAGE, Retention
from streamer.errors import ElasticUnavailable
from tests.fakes.clock import LoopClock, in_virtual_time


class FakeState:
    """Documents as (kind, age in days); `renewed` are written anew between search and deletion."""

    def __init__(self, documents, clock):
        self.documents = {
            f"d{n}": {"kind": kind, "at_ms": clock.now_ms() - days * DAY_MS, "seq_no": n}
            for n, (kind, days) in enumerate(documents)
        }
        self.searched, self.renewed, self.refused, self.failure = 0, set(), set(), None

    async def post(self, path, body=None):
        if self.failure:
            raise self.failure
        if path == "/state/_refresh":
            return {}
        assert path == "/state/_search"
        self.searched += 1
        kinds, before = (body["query"]["bool"]["filter"][n] for n in range(2))
        found = [
            {"_index": "state", "_id": name, "_seq_no": one["seq_no"], "_primary_term": 1}
            for name, one in self.documents.items()
            if one["kind"] in kinds["terms"]["kind"] and one["at_ms"] < before["range"]["at_ms"]["lt"]
        ]
        return {"hits": {"hits": found[: body["size"]]}}

    async def bulk(self, body, filter_path):
        for name in self.renewed & self.documents.keys():
            self.documents[name] |= {"at_ms": 10**15, "seq_no": 10**6}
        return {"items": [{"delete": {"status": self.delete(orjson.loads(line)["delete"])}} for line in body.split()]}

    def delete(self, action):
        if action["_id"] in self.refused:
            return 429
        if self.documents[action["_id"]]["seq_no"] != action["if_seq_no"]:
            return 409
        del self.documents[action["_id"]]
        return 200


def state(*documents, days=15):
    clock = LoopClock()
    made = FakeState(documents, clock)
    return made, Retention(made, "state", days, clock)


@in_virtual_time
async def test_old_markers_and_letters_go_and_epochs_stay():
    made, retention = state(("marker", 31), ("marker", 29), ("letter", 31), ("letter", 29), ("epoch", 400))
    assert await retention.purge() == 2
    assert [(one["kind"]) for one in made.documents.values()] == ["marker", "letter", "epoch"]


@in_virtual_time
async def test_it_goes_page_by_page():
    made, retention = state(*[("marker", 31)] * (2 * PAGE + 1))
    assert await retention.purge() == 2 * PAGE + 1
    assert (made.documents, made.searched) == ({}, 4)


@in_virtual_time
async def test_what_was_written_anew_meanwhile_stays():
    made, retention = state(("marker", 31), ("marker", 31))
    made.renewed = {"d1"}
    assert await retention.purge() == 1
    assert set(made.documents) == {"d1"}


@in_virtual_time
async def test_what_cannot_be_deleted_now_is_left_for_the_next_hour():
    made, retention = state(("marker", 31), ("marker", 31))
    made.refused = {"d0"}
    assert await retention.purge() == 1
    assert made.searched == 1


@in_virtual_time
async def test_it_works_about_once_an_hour_and_an_outage_does_not_end_it():
    made, retention = state(("marker", 31))
    running = asyncio.create_task(retention.run())
    await asyncio.sleep(1_700)
    assert made.searched == 0
    made.failure = ElasticUnavailable("down")
    await asyncio.sleep(3_800)
    assert made.documents
    made.failure = None
    await asyncio.sleep(5_500)
    assert made.documents == {}
    running.cancel()
