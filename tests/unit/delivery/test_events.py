"""What others read: dead letters, progress and outcomes, as the schemas say."""

import asyncio
import base64
from itertools import pairwise

import pytest
from jsonschema import Draft202012Validator

import schemas
from streamer.batching.lease import Lease
from streamer.batching.lease import Origin as TopicOrigin
from streamer.delivery.deadletter import Origin, Reason, envelope
from streamer.errors import DeadLetterUndelivered, KafkaError
from streamer.intake.timeline import Timeline
from streamer.model import Rejected, Result
from tests.fakes.clock import in_virtual_time, settle
from tests.fakes.elastic import BAD_DOCUMENT, QUEUE_FULL
from tests.unit.builders import LANE, P0, record
from tests.unit.delivery.stage import WIDE, stage
from tests.unit.delivery.whole import whole

PROGRESS, OUTCOMES = "streamer-progress", "streamer-outcomes"


def valid(name, events):
    validator = Draft202012Validator(schemas.schema(name))
    for event in events:
        validator.validate(event)
    return events


@pytest.mark.parametrize(
    "taken",
    [
        record(),
        record(key=None, value=None, timestamp_ms=-1),
        record(7, b"\xff\x00", b"\xff", headers=(("a", b"\xff"), ("a", None), ("", b""))),
    ],
)
@pytest.mark.parametrize("origin", [Origin("films", "tid", 1), Origin("films", "", 1, "k", 2**63 - 1)])
def test_a_dead_letter_keeps_everything(taken, origin):
    letter = envelope(taken, Reason("unreadable", "why", "intake", 2), origin)
    valid("dead_letter", [letter | {"at_ms": 1, "instance": "one"}])
    for value, text in ((taken.key, letter["key_base64"]), (taken.value, letter["value_base64"])):
        assert value == (None if text is None else base64.b64decode(text))
    headers = [(name, None if text is None else base64.b64decode(text)) for name, text in letter["headers"]]
    assert headers == list(taken.headers)
    assert (letter["offset"], letter["version"], letter["id"]) == (taken.offset, origin.version, origin.id)


@in_virtual_time
async def test_a_refused_write_is_buried_under_its_own_key():
    async with stage() as world:
        world.take("a")
        answers = [QUEUE_FULL, BAD_DOCUMENT]
        world.elastic.fails = lambda _: answers.pop(0)
        await world.deliver()
        (letter,) = valid("dead_letter", world.producer.values("dead"))
        assert (letter["stage"], letter["attempts"], letter["topic_id"]) == ("delivery", 2, "tid")
        assert (letter["reason"], letter["detail"]) == BAD_DOCUMENT[1:]
        assert world.producer.records[0][1] == b"a"


@in_virtual_time
async def test_a_broken_record_is_buried_and_an_unacknowledged_letter_is_an_error():
    async with stage() as world:
        lease = Lease(TopicOrigin("films", None, "tid", Timeline({0: ((0, 1),)})), world.generation)
        rejected = Rejected(record(0, b"x"), "unreadable", "why")
        world.books.reject(rejected, "films", world.generation)
        world.producer.failure = KafkaError("no leader")
        with pytest.raises(DeadLetterUndelivered, match=r"films-0 at 0 .*no leader"):
            await world.burial.of_rejected(rejected, lease)
        assert (world.results(), world.books.ledger[P0].position) == ({}, 0)
        world.producer.failure = None
        await world.burial.of_rejected(rejected, lease)
        (letter,) = valid("dead_letter", world.producer.values("dead"))
        assert (letter["stage"], letter["attempts"], letter["id"], letter["version"]) == ("intake", 0, None, None)
        assert (world.results(), world.books.ledger[P0].position) == ({"dead_lettered": 1}, 1)


@in_virtual_time
async def test_progress_is_told_when_it_moved():
    async with stage() as world:
        all_of_it = await whole(world)
        all_of_it.publisher.publish()
        assert all_of_it.posted(PROGRESS) == []
        await all_of_it.take(b'{"text":"a"}', b'{"text":"b"}')
        all_of_it.publisher.publish()
        await world.deliver()
        all_of_it.publisher.publish()
        all_of_it.publisher.publish()
        events = valid("progress", all_of_it.posted(PROGRESS))
        assert [event["watermark"] for event in events] == [0, 2]
        assert [event["record_timestamp_ms"] for event in events] == [None, 1_763_800_000_000]
        assert {event["index"] for event in events} == {"films"}
        assert {key for topic, key, _ in world.producer.records if topic == PROGRESS} == {b"films:0"}
        assert events[0]["generation"] == all_of_it.desk.leases[P0].generation


@in_virtual_time
async def test_progress_tells_what_is_done_above_the_watermark():
    async with stage() as world:
        all_of_it = await whole(world)
        await all_of_it.take(*[b'{"text":"%d"}' % n for n in range(250)])
        for one in world.books.form(LANE, WIDE)[1::2]:
            world.books.succeeded([one], Result.INDEXED)
        all_of_it.publisher.publish()
        (event,) = valid("progress", all_of_it.posted(PROGRESS))
        assert event["watermark"] == 0
        assert event["done"] == [[n, n] for n in range(1, 201, 2)]


@in_virtual_time
async def test_progress_tells_what_ended_otherwise():
    async with stage() as world:
        all_of_it = await whole(world)
        world.elastic.fails = lambda name: BAD_DOCUMENT if name == "7" else None
        await all_of_it.take(b'{"text":"a"}', b"broken", b'{"text":"b"}', first=5)
        await world.deliver()
        all_of_it.publisher.publish()
        (event,) = valid("progress", all_of_it.posted(PROGRESS))
        assert event["watermark"] == 8
        assert event["otherwise"] == {"since": 5, "runs": [[6, 7, "dead_lettered"]]}


@in_virtual_time
async def test_progress_is_told_soon_and_not_more_often():
    async with stage() as world:
        all_of_it = await whole(world)
        publishing = asyncio.create_task(all_of_it.publisher.run())
        for offset in range(20):
            await all_of_it.take(b'{"text":"a"}', first=offset)
            await world.deliver()
            await asyncio.sleep(0.05)
        publishing.cancel()
        assert len(all_of_it.posted(PROGRESS)) <= world.clock.monotonic() / 0.2
        times = [event["at_ms"] for event in all_of_it.posted(PROGRESS)]
        assert all(later - earlier >= 199 for earlier, later in pairwise(times))


@in_virtual_time
async def test_outcomes_are_what_happened_since_the_last_ones():
    async with stage() as world:
        all_of_it = await whole(world)
        answers = [QUEUE_FULL, None, None, BAD_DOCUMENT]
        world.elastic.fails = lambda _: answers.pop(0) if answers else None
        await all_of_it.take(b'{"text":"a"}', b'{"text":"b"}', b"broken")
        publishing = asyncio.create_task(all_of_it.publisher.run())
        await world.deliver()
        await asyncio.sleep(3.0)
        await all_of_it.take(b'{"text":"c"}', first=3)
        await world.deliver()
        await asyncio.sleep(3.0)
        publishing.cancel()
        events = valid("outcome", all_of_it.posted(OUTCOMES))
        assert sum(event["results"].get("dead_lettered", 0) for event in events) == 2
        assert sum(event["results"].get("indexed", 0) for event in events) == 2
        assert sum(event["rejections"].get("queue_full", 0) for event in events) == 1
        assert all(event["results"] or event["rejections"] for event in events)
        assert {key for topic, key, _ in world.producer.records if topic == OUTCOMES} == {b"films"}
        times = [event["at_ms"] for event in events]
        assert all(later - earlier >= 1_000 for earlier, later in pairwise(times))


@in_virtual_time
async def test_the_report_says_what_is_going_on():
    async with stage() as world:
        all_of_it = await whole(world)
        report = all_of_it.report
        assert (report.alive(), report.ready(), report.hold) == (True, True, None)
        await all_of_it.take(b'{"text":"a"}', b'{"title":"b"}')
        status = report.status()
        assert (status["state"], status["waiting"], status["in_flight"]) == ("running", 2, 0)
        assert status["partitions"] == {"films-0": {"watermark": 0, "epoch": 1, "waiting": 2, "in_flight": 0}}
        assert status["deployments"]["for_ingest"]["window"] == 64
        assert (report.untaken, status["conservation_difference"]) == (30, 0)
        await world.deliver()
        await asyncio.sleep(5.0)
        assert report.done == 1
        world.gate.close("not_deployed")
        assert (report.ready(), report.status()["state"], report.status()["hold"]) == (False, "holding", "not_deployed")
        await asyncio.sleep(60.0)
        assert not report.alive()
        await settle()
