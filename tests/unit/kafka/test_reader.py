"""A range of a topic is read to its end and not beyond, however the end comes."""

import pytest
from confluent_kafka import KafkaError as ClientError

from streamer.errors import KafkaError, KafkaUnavailable
from streamer.kafka import reader
from streamer.model import Partition
from streamer.settings import KafkaSettings
from tests.fakes.consumer import FakeMessage
from tests.unit.builders import P0, P1


class ReaderConsumer:
    """Plays messages; None is a poll without one."""

    def __init__(self, *messages):
        self.messages, self.assigned, self.left, self.closed = list(messages), None, [], False

    def __call__(self, config):
        assert config["enable.auto.commit"] is False
        return self

    def assign(self, positions):
        self.assigned = [(position.topic, position.partition, position.offset) for position in positions]

    def incremental_unassign(self, positions):
        self.left += [position.partition for position in positions]

    def poll(self, timeout):
        return self.messages.pop(0) if self.messages else None

    def close(self):
        self.closed = True


def end(partition):
    return FakeMessage(0, partition, failure=ClientError(ClientError._PARTITION_EOF))


@pytest.fixture
def read(monkeypatch):
    def play(ranges, *messages):
        consumer = ReaderConsumer(*messages)
        monkeypatch.setattr(reader, "Consumer", consumer)
        return consumer, reader.records(KafkaSettings(), ranges)

    return play


def places(records):
    return [(record.partition.number, record.offset) for record in records]


def test_each_partition_ends_by_itself(read):
    messages = [FakeMessage(5, 0), None, FakeMessage(0, 1), FakeMessage(6, 0), FakeMessage(7, 0), FakeMessage(1, 1)]
    consumer, found = read({P0: (5, 7), P1: (0, 2), Partition("films", 2): (4, 4)}, *messages)
    assert places(found) == [(0, 5), (1, 0), (0, 6), (1, 1)]
    assert consumer.assigned == [("films", 0, 5), ("films", 1, 0)]
    assert (consumer.left, consumer.closed) == ([0, 1], True)


def test_a_range_whose_last_offsets_hold_no_record_ends_too(read):
    assert places(read({P0: (0, 9)}, FakeMessage(3, 0), end(0))[1]) == [(0, 3)]
    assert places(read({P0: (0, 9)}, FakeMessage(3, 0), FakeMessage(12, 0))[1]) == [(0, 3)]


def test_who_stops_reading_closes_the_consumer(read):
    consumer, found = read({P0: (0, 9)}, FakeMessage(0, 0), FakeMessage(1, 0))
    assert next(found).offset == 0
    found.close()
    assert consumer.closed


def test_nothing_to_read_is_no_question(read):
    assert list(read({P0: (3, 3)})[1]) == []


def test_an_error_is_raised(read):
    with pytest.raises(KafkaError, match="reading films failed"):
        list(read({P0: (0, 9)}, FakeMessage(failure=ClientError(ClientError.TOPIC_AUTHORIZATION_FAILED)))[1])


def test_silence_is_an_error(read, monkeypatch):
    monkeypatch.setattr(reader, "TIMEOUT", -1.0)
    with pytest.raises(KafkaUnavailable, match="no answer from 1 partitions"):
        list(read({P0: (0, 9)})[1])
