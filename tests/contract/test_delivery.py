"""The streamer's own bulks against the real server: each write gets the verdict that fits what happened to it."""

import pytest

from streamer.delivery.bulk import FILTER_PATH, BulkCodec, marker_id
from streamer.delivery.outcome import Action
from streamer.elastic import Elastic
from streamer.errors import ElasticRefused, ElasticTimeout
from streamer.model import Result
from streamer.settings import ElasticsearchSettings
from tests.unit.builders import deletion, route, write

NOW_MS = 1_763_800_000_000


class Delivery:
    """A route into an index of the sandbox, and its codec."""

    def __init__(self, sandbox, elastic, **fields):
        self.sandbox, self.elastic = sandbox, elastic
        self.route = route(**fields)
        self.state = fields["index"] + "-state"
        self.codec = BulkCodec({"films": self.route}, self.state)

    async def send(self, *writes):
        answer = await self.elastic.bulk(self.codec.encode(writes, NOW_MS), FILTER_PATH)
        return self.codec.read(writes, answer)

    async def document(self, document_id):
        answer = await self.sandbox.client.get(index=self.route.index, id=document_id)
        return answer["_version"], answer["_source"]


@pytest.fixture
async def elastic(stack):
    elastic = Elastic(ElasticsearchSettings(urls=[stack.elasticsearch_url]))
    yield elastic
    await elastic.close()


@pytest.fixture
async def delivery(sandbox, elastic):
    deployment = await sandbox.deployment()
    alias = f"{sandbox.name}-alias"
    index, pipeline = await sandbox.index(alias=alias), await sandbox.pipeline(deployment.id)
    found = Delivery(sandbox, elastic, index=alias, concrete_index=index, pipeline=pipeline, deployment=deployment.id)
    state_index = f"{found.state}-000001"
    sandbox.remove(f"/{state_index}")
    await sandbox.client.indices.create(index=state_index, aliases={found.state: {}})
    return found


def results(verdicts):
    return [verdict.result for verdict in verdicts]


async def test_each_write_of_a_bulk_ends_in_its_own_way(delivery):
    first = [
        write(offset=1, id="a"),
        write(offset=1, id="b", body=b'{"year":1999}', inputs=0, text_hash=""),
        deletion(1, "c"),
    ]
    assert results(await delivery.send(*first)) == [Result.INDEXED, Result.NO_TEXT, Result.DELETED]
    version, source = await delivery.document("a")
    assert version == first[0].version
    assert source["tokens"] == {"a": 1.0, "film": 1.0}
    assert source["_streamer"]["offset"] == 1
    version, source = await delivery.document("b")
    assert "tokens" not in source
    again = [write(offset=1, id="a"), write(offset=0, id="a"), write(offset=2, id="a"), deletion(0, "c")]
    assert results(await delivery.send(*again)) == [Result.REPEATED, Result.STALE, Result.INDEXED, Result.STALE]


async def test_a_deletion_leaves_a_marker_of_its_version(delivery):
    gone = deletion(3, "a")
    assert results(await delivery.send(write(offset=1, id="a"), gone)) == [Result.INDEXED, Result.DELETED]
    marker = await delivery.sandbox.client.get(index=delivery.state, id=marker_id(delivery.route.index, "a"))
    assert (marker["_version"], marker["_source"]["version"]) == (gone.version, gone.version)
    assert results(await delivery.send(write(offset=2, id="a"))) == [Result.STALE]


async def test_a_document_that_can_never_be_indexed_fails_alone(delivery):
    bad = write(offset=1, id="bad", body=b'{"text":"a","number":"abc"}')
    verdicts = await delivery.send(bad, write(offset=1, id="good"))
    assert [verdict.action for verdict in verdicts] == [Action.NEVER, Action.DONE]
    assert verdicts[0].reason == "document_parsing_exception"
    assert "abc" not in verdicts[0].detail.partition("Preview")[0]


async def test_an_alias_that_has_moved_stops_the_program(delivery):
    sandbox = delivery.sandbox
    other = await sandbox.index()
    moves = [
        {"remove": {"index": delivery.route.concrete_index, "alias": delivery.route.index}},
        {"add": {"index": other, "alias": delivery.route.index}},
    ]
    await sandbox.client.indices.update_aliases(actions=moves)
    (verdict,) = await delivery.send(write(offset=1, id="a"))
    assert verdict.action is Action.STOP
    assert other in verdict.detail


async def test_an_alias_that_is_gone_is_a_hold_and_makes_no_index(delivery):
    sandbox = delivery.sandbox
    await sandbox.client.indices.delete(index=delivery.route.concrete_index)
    verdicts = await delivery.send(write(offset=1, id="a"), write(offset=1, id="b", body=b"{}", inputs=0))
    assert [(verdict.action, verdict.reason) for verdict in verdicts] == [(Action.HOLD, "index_missing")] * 2
    assert not await sandbox.client.indices.exists(index=delivery.route.index)


async def test_a_deletion_under_an_alias_that_is_gone_stops_the_program(delivery):
    """No deletion can ask for an alias, and one with a version makes the index that it misses."""
    sandbox = delivery.sandbox
    await sandbox.client.indices.delete(index=delivery.route.concrete_index)
    sandbox.remove(f"/{delivery.route.index}")
    (verdict,) = await delivery.send(deletion(1, "a"))
    assert verdict.action is Action.STOP
    assert f"deleted from {delivery.route.index}" in verdict.detail
    assert await sandbox.client.indices.exists(index=delivery.route.index)


async def test_a_state_index_that_is_gone_is_a_hold_and_is_not_made_anew(delivery):
    await delivery.send(write(offset=1, id="a"))
    await delivery.sandbox.client.indices.delete(index=f"{delivery.state}-000001")
    (verdict,) = await delivery.send(deletion(2, "a"))
    assert (verdict.action, verdict.reason) == (Action.HOLD, "index_missing")
    assert not await delivery.sandbox.client.indices.exists(index=delivery.state)
    # It is back: the deletion goes again, and this time leaves its marker.
    await delivery.sandbox.client.indices.create(index=f"{delivery.state}-000001", aliases={delivery.state: {}})
    (verdict,) = await delivery.send(deletion(2, "a"))
    assert verdict.action is Action.DONE
    assert await delivery.sandbox.client.exists(index=delivery.state, id=marker_id(delivery.route.index, "a"))


async def test_a_refused_item_keeps_its_place_in_the_answer(delivery):
    await delivery.sandbox.fault("reject_items", share=1, count=2, deployment=delivery.route.deployment)
    writes = [write(offset=number, id=str(number)) for number in range(4)]
    found = [(verdict.action, verdict.reason) for verdict in await delivery.send(*writes)]
    assert found == [(Action.RETRY, "queue_full")] * 2 + [(Action.DONE, "indexed")] * 2


async def test_errors_of_whole_requests_are_the_doors_own(delivery, elastic):
    fault = await delivery.sandbox.fault("http_status", status=503, path="/_bulk")
    with pytest.raises(ElasticRefused) as refused:
        await delivery.send(write(offset=1, id="a"))
    assert refused.value.status == 503
    await delivery.sandbox.heal(fault)
    await delivery.sandbox.fault("stall", deployment=delivery.route.deployment)
    path = f"/_ingest/pipeline/{delivery.route.pipeline}/_simulate"
    with pytest.raises(ElasticTimeout):
        await elastic.post(path, {"docs": [{"_source": {"text": "a"}}]}, timeout=0.2)
