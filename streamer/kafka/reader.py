"""Reading a topic without a group: nothing is committed and no partition is taken from anyone."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from streamer.errors import KafkaUnavailable
from streamer.kafka.client import connection, ours
from streamer.kafka.messages import record_of
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
    with closing(_consumer(settings, "latest")) as consumer:
        consumer.assign(wanted)
        return list(_first_of_each(consumer, {(position.topic, position.partition) for position in wanted}))


def records(settings: KafkaSettings, ranges: Mapping[Partition, tuple[int, int]]) -> Generator[Record, None, None]:
    """Yield the records of each partition from its first offset up to, and without, its second one.

    Blocks for at most `TIMEOUT` seconds for the next record. Raises KafkaError, KafkaUnavailable.
    """
    ends = {(name, number): end for (name, number), (first, end) in ranges.items() if first < end}
    with closing(_consumer(settings, "earliest")) as consumer:
        consumer.assign([TopicPartition(*place, ranges[Partition(*place)][0]) for place in ends])
        while ends:
            message = _next(consumer, len(ends))
            place = (str(message.topic()), message.partition() or 0)
            holds, offset = _holds_record(message), message.offset() or 0
            if place not in ends:
                continue
            if holds and offset < ends[place]:
                yield record_of(message)
            if not holds or offset + 1 >= ends[place]:
                del ends[place]
                consumer.incremental_unassign([TopicPartition(*place)])


def _consumer(settings: KafkaSettings, reset: str) -> Consumer:
    return Consumer(
        connection(settings)
        | {
            "group.id": settings.group_id,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": reset,
        }
    )


def _next(consumer: Consumer, open_: int) -> Message:
    deadline = time.monotonic() + TIMEOUT
    while (message := consumer.poll(POLL_SECONDS)) is None:
        if time.monotonic() > deadline:
            raise KafkaUnavailable(f"no answer from {open_} partitions in {TIMEOUT:.0f} s")
    return message


def _first_of_each(consumer: Consumer, open_: set[tuple[str, int]]) -> Iterator[Record]:
    while open_:
        message = _next(consumer, len(open_))
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
