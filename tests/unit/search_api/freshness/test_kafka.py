"""The door to Kafka: what is asked, what is believed, and a thread that begins again after a failure."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException

from search_api import kafka
from search_api.freshness.log import Bounds
from streamer.kafka.admin import Topic
from streamer.model import Partition
from streamer.settings import KafkaConnectionSettings
from tests.fakes.consumer import FakeConsumer, FakeMessage
from tests.unit.search_api.fakes import FakeClock

FILMS = Topic("films", "A", 2)


class FakeAdmin:
    """`answers` are what `topics` says, one after the other; the last one stays."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def topics(self, names):
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return {name: topic for name, topic in found.items() if name in names}

    def offsets(self, partitions, *, end):
        return dict.fromkeys(partitions, 9 if end else 3)


class Clock(FakeClock):
    async def sleep(self, seconds):
        await asyncio.sleep(0.001)


@pytest.fixture
def door(monkeypatch):
    def make(*answers):
        monkeypatch.setattr(kafka, "Admin", lambda _: FakeAdmin(*answers))
        return kafka.KafkaDoor(KafkaConnectionSettings(), "progress", Clock())

    return make


async def test_a_sample_has_ids_and_bounds_of_what_is_there(door):
    sample = await door({"films": FILMS}).sample({"films", "missing"})
    assert sample.topic_ids == {"films": "A"}
    assert sample.bounds == dict.fromkeys([Partition("films", 0), Partition("films", 1)], Bounds(3, 9))


async def test_bounds_of_a_topic_that_was_made_again_meanwhile_are_not_believed(door):
    sample = await door({"films": FILMS}, {"films": Topic("films", "B", 2)}).sample({"films"})
    assert (sample.topic_ids, sample.bounds) == ({"films": "B"}, {})
    sample = await door({"films": FILMS}, {}).sample({"films"})
    assert (sample.topic_ids, sample.bounds) == ({}, {})


class Progress(FakeConsumer):
    """What it has after its script is over is nothing."""

    def __init__(self, *events):
        super().__init__([lambda _, event=event: event for event in events])


def failing(code):
    def poll(consumer):
        raise KafkaException(KafkaError(code))

    return poll


@pytest.fixture
def consumers(monkeypatch):
    made = []

    def give(*consumers):
        waiting = list(consumers)

        def make(config):
            made.append(waiting.pop(0)(config))
            return made[-1]

        monkeypatch.setattr(kafka, "Consumer", make)
        return made

    return give


async def reach(taken, count):
    async with asyncio.timeout(30):
        while len(taken) < count:  # noqa: ASYNC110 - a thread fills it
            await asyncio.sleep(0.005)


@asynccontextmanager
async def followed(door):
    taken = []
    following = asyncio.create_task(door.follow(taken.extend))
    yield taken
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)


async def test_events_are_followed_from_the_first_one_without_a_group(door, consumers):
    events = [FakeMessage(value=b"1"), FakeMessage(value=None), FakeMessage(failure=KafkaError(KafkaError._TRANSPORT))]
    made = consumers(Progress(*events, FakeMessage(value=b"2")))
    async with followed(door({"progress": Topic("progress", "P", 2)})) as taken:
        await reach(taken, 2)
    assert taken == [b"1", b"2"]
    assert made[0].calls[0] == ("assign", [(0, OFFSET_BEGINNING), (1, OFFSET_BEGINNING)])
    assert made[0].calls[-1][0] == "close"
    assert made[0].config["enable.auto.commit"] is False


async def test_it_begins_again_after_a_failure_and_when_the_topic_is_another_one(door, consumers):
    broken = FakeConsumer([failing(KafkaError.TOPIC_AUTHORIZATION_FAILED)])
    made = consumers(broken, Progress(FakeMessage(value=b"1")), Progress(FakeMessage(value=b"2")))
    one = door({}, {"progress": Topic("progress", "P", 1)})
    async with followed(one) as taken:
        await reach(taken, 1)
        one._admin.answers = [{"progress": Topic("progress", "Q", 1)}]
        await reach(taken, 2)
    assert (taken, len(made)) == ([b"1", b"2"], 3)
