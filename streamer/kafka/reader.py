"""Reading a topic without a group: nothing is committed and no partition is taken from anyone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from streamer.errors import KafkaUnavailable
from streamer.kafka.client import connection, ours
from streamer.kafka.source import record_of
from streamer.model import Partition, Record
from streamer.settings import KafkaSettings

TIMEOUT = 15.0
POLL_SECONDS = 0.5


def last_records(settings: KafkaSettings, ends: Mapping[Partition, int]) -> list[Record]:
    """Return the last record of each partition, where `ends` are the offsets that the next records will get.

    A partition whose last offset holds no record (compacted, or a transaction's end) gives none; so does one with end
    0. Blocks for at most `TIMEOUT` seconds. Raises KafkaError, KafkaUnavailable.
    """
    wanted = [TopicPartition(name, number, end - 1) for (name, number), end in ends.items() if end > 0]
    configuration = connection(settings) | {
        "group.id": settings.group_id,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "latest",
        "log_level": 0,
    }
    with closing(Consumer(configuration)) as consumer:
        consumer.assign(wanted)
        return list(_first_of_each(consumer, {(position.topic, position.partition) for position in wanted}))


def _first_of_each(consumer: Consumer, open_: set[tuple[str, int]]) -> Iterator[Record]:
    deadline = time.monotonic() + TIMEOUT
    while open_:
        message = consumer.poll(POLL_SECONDS)
        if message is None:
            if time.monotonic() > deadline:
                raise KafkaUnavailable(f"no answer from {len(open_)} partitions in {TIMEOUT:.0f} s")
            continue
        place = (str(message.topic()), message.partition() or 0)
        if place in open_ and _holds_record(message):
            yield record_of(message)
        open_.discard(place)


def _holds_record(message: Message) -> bool:
    error = message.error()
    if error is None:
        return True
    if error.code() == ClientError._PARTITION_EOF:
        return False
    raise ours(KafkaException(error), f"reading {message.topic()}")
