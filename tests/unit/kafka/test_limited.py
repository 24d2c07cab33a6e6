"""A source that takes what lies before given offsets, and says when it has all of it."""

import asyncio

import pytest
from confluent_kafka import OFFSET_STORED
from confluent_kafka import KafkaError as ClientError

from streamer.errors import StateError
from streamer.kafka import source as module
from streamer.kafka.limited import Limited
from streamer.kafka.source import Directive
from streamer.kafka.statistics import Statistics
from streamer.settings import KafkaSettings
from tests.fakes.consumer import FakeConsumer, FakeMessage
from tests.unit.builders import P0, P1
from tests.unit.kafka.test_source import Handler


def end(partition, offset):
    return FakeMessage(offset, partition, ClientError(ClientError._PARTITION_EOF))


def gives(*messages):
    def take(consumer):
        consumer.ready = list(messages[1:])
        return messages[0] if messages else None

    return take


@pytest.fixture
def play(monkeypatch):
    """Run a source up to `ends` over a script, until it has all or the script is at its end."""

    async def played(handler, ends, *script, commits=()):
        consumer = FakeConsumer([*script, lambda _: source.stop()])
        consumer.commits = dict(commits)
        monkeypatch.setattr(module, "Consumer", consumer)
        source = handler.source = Limited(KafkaSettings(group_instance_id="one"), ends, handler, Statistics())
        await source.run()
        # What the thread said last is on its way to the loop.
        await asyncio.sleep(0)
        return source, consumer

    return played


async def test_it_takes_what_lies_before_the_ends_and_no_more(play):
    handler = Handler()
    records = gives(FakeMessage(4), FakeMessage(0, 1), FakeMessage(5), FakeMessage(1, 1), FakeMessage(2, 1))
    source, consumer = await play(handler, {P0: 5, P1: 2}, records, commits={0: (4, "")})
    assert source.reached.is_set()
    assert [(one.partition, one.offset) for one in handler.records] == [(P0, 4), (P1, 0), (P1, 1)]
    assert consumer.calls[0] == ("assign", [(0, OFFSET_STORED), (1, OFFSET_STORED)])
    assert ("pause", [0, 1]) in consumer.calls
    assert handler.told == [("assigned", [P0, P1]), ("revoked", [P0, P1])]


async def test_it_is_no_member_of_the_group(play):
    _, consumer = await play(Handler(), {P0: 5})
    assert "subscribe" not in [name for name, _ in consumer.calls]
    assert "group.instance.id" not in consumer.config
    assert consumer.config["enable.partition.eof"]


async def test_what_is_committed_before_is_not_waited_for(play):
    source, consumer = await play(Handler(), {P0: 5, P1: 0}, lambda _: None, commits={0: (5, "")})
    assert source.reached.is_set()
    assert ("pause", [0, 1]) in consumer.calls


async def test_the_logs_end_is_an_end_too(play):
    """The last offsets may hold no record: a transaction's end, or what compaction took."""
    handler = Handler()
    source, _ = await play(handler, {P0: 5}, gives(FakeMessage(2), end(0, 5)))
    assert source.reached.is_set()
    assert len(handler.records) == 1


async def test_the_end_is_told_when_the_last_records_were_handed_over(play):
    """Who looks at what is outstanding then must find them."""

    class Slow(Handler):
        async def step(self, records):
            await asyncio.sleep(0.05)
            self.told.append(self.source.reached.is_set())
            return await super().step(records)

    handler = Slow()
    source, _ = await play(handler, {P0: 5}, gives(FakeMessage(4), FakeMessage(5)))
    assert handler.told[1] is False
    assert source.reached.is_set()


async def test_before_the_ends_nothing_is_told(play):
    source, _ = await play(Handler(), {P0: 5, P1: 5}, gives(FakeMessage(4), FakeMessage(5)))
    assert not source.reached.is_set()


async def test_a_topic_that_is_another_now_is_an_error(play):
    with pytest.raises(StateError, match="films was deleted or made again while it was drained"):
        await play(Handler(Directive(renew=frozenset({"films"}))), {P0: 5}, lambda _: None)
