"""Records that come back through the redrive topic: booked as what was taken, known as what they were."""

from itertools import count

import pytest

from streamer.batching.desk import Desk
from streamer.batching.lease import Origin as TopicOrigin
from streamer.delivery.progress import Publisher
from streamer.delivery.report import Parts, Report
from streamer.intake.decode import Decoder
from streamer.intake.formats import Json
from streamer.intake.parcel import ParcelDecoder
from streamer.intake.timeline import Timeline
from streamer.kafka.statistics import Statistics
from streamer.model import PLAIN, REDRIVE, Partition
from streamer.settings import FlowSettings, TopicSettings
from tests.fakes.clock import in_virtual_time, settle
from tests.fakes.elastic import BAD_DOCUMENT
from tests.unit.builders import P0, ROUTE, carrying, parcel, record
from tests.unit.delivery.stage import stage

R0 = Partition("streamer-redrive", 0)


class Redrive:
    """A desk with a route's partition and the redrive topic's, over the delivery stage."""

    def __init__(self, world):
        self.world, self.offsets = world, count()
        self.desk = Desk(world.books, world.runtime, FlowSettings(), self, world.burial.of_rejected)
        parts = Parts(
            {"films": ROUTE}, world.books, self.desk, world.gates, world.window, {}, world.courier, Statistics()
        )
        self.publisher = Publisher(world.producer, TopicSettings(), "one", parts, world.clock)
        self.report = Report(parts, "one", world.clock)

    async def of(self, partition):
        decoder, timeline = Decoder(ROUTE, Json()), Timeline({0: ((0, 1),)})
        if partition == R0:
            return TopicOrigin(REDRIVE, ParcelDecoder({"films": decoder}), "rid", timeline)
        return TopicOrigin("films", decoder, "tid", timeline)

    async def bring(self, *packed):
        await self.desk.step([carrying(one, next(self.offsets)) for one in packed])

    async def bring_bytes(self, value):
        await self.desk.step([record(next(self.offsets), value, partition=R0)])

    @property
    def letters(self):
        return self.world.producer.values("dead")

    def check_all_is_done(self):
        books = self.world.books
        assert books.ledger[R0].position == next(self.offsets)
        assert (books.flow.size, books.accounts.worst()) == (0, 0)
        assert (books.accounts.waiting.total(), books.accounts.in_flight.total()) == (0, 0)


async def redrive(world):
    made = Redrive(world)
    await made.desk.assigned([P0, R0], {})
    return made


@in_virtual_time
async def test_a_redriven_record_is_written_under_its_first_version():
    async with stage() as world:
        back = await redrive(world)
        await back.bring(parcel(record(3, key=b"a"), epoch=2))
        assert back.report.status()["partitions"]["streamer-redrive-0"]["waiting"] == 1
        await world.deliver()
        assert world.elastic.written == [("a", (2 << 46) + (4 << 2) + 1)]
        assert set(world.books.accounts.consumed) == {("films", R0)}
        assert world.books.newest[R0] == 1
        back.check_all_is_done()


@in_virtual_time
async def test_a_newer_state_that_waits_stands_for_a_redriven_one():
    async with stage() as world:
        back = await redrive(world)
        await back.desk.step([record(9, b'{"text":"new"}', b"a")])
        await back.bring(parcel(record(3, key=b"a")))
        await world.deliver()
        assert [len(items) for items in world.elastic.sent] == [1]
        assert world.results() == {"indexed": 1, "superseded": 1}
        assert world.books.ledger[P0].position == 10
        back.check_all_is_done()


@in_virtual_time
async def test_what_is_refused_again_is_a_letter_of_the_first_record():
    async with stage() as world:
        back = await redrive(world)
        world.elastic.fails = lambda _: BAD_DOCUMENT
        await back.bring(parcel(record(3, key=b"a"), topic_id="before", epoch=2, attempts=4))
        await world.deliver()
        (letter,) = back.letters
        assert (letter["topic"], letter["partition"], letter["offset"]) == ("films", 0, 3)
        assert (letter["topic_id"], letter["epoch"], letter["attempts"]) == ("before", 2, 5)
        back.check_all_is_done()


@pytest.mark.parametrize(
    ("packed", "reason", "route"),
    [
        (parcel(record(3, b"no json"), attempts=2, topic_id="before", epoch=5), "unreadable", "films"),
        (parcel(record(3), route="books", attempts=2, topic_id="before", epoch=5), "unknown_route", "books"),
    ],
)
@in_virtual_time
async def test_what_cannot_be_decoded_again_keeps_its_origin(packed, reason, route):
    async with stage() as world:
        back = await redrive(world)
        await back.bring(packed)
        await settle()
        (letter,) = back.letters
        assert (letter["reason"], letter["route"], letter["attempts"]) == (reason, route, 2)
        assert (letter["topic"], letter["offset"], letter["topic_id"], letter["epoch"]) == ("films", 3, "before", 5)
        assert set(world.books.accounts.consumed) == {(REDRIVE, R0)}
        back.check_all_is_done()


@in_virtual_time
async def test_a_broken_parcel_is_a_letter_of_its_own_and_no_outcome():
    async with stage() as world:
        back = await redrive(world)
        await back.bring_bytes(b"no parcel")
        await settle()
        (letter,) = back.letters
        assert (letter["reason"], letter["route"], letter["topic"]) == ("unreadable", REDRIVE, R0.topic)
        assert letter["topic_id"] == "rid"
        back.publisher.publish()
        assert world.producer.values("streamer-outcomes") == []
        back.check_all_is_done()


@in_virtual_time
async def test_a_revoked_redrive_partition_hands_its_records_over():
    async with stage() as world:
        back = await redrive(world)
        await back.bring(parcel(record(3, b'{"title":"no text"}', key=b"a")))
        await back.desk.revoked([R0])
        assert world.books.waiting(PLAIN) == 0
        assert world.results() == {"handed_over": 1}
        assert world.books.accounts.worst() == 0
