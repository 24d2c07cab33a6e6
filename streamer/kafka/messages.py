"""From librdkafka's messages to records of ours, and which of its errors pass by themselves."""

from __future__ import annotations

from functools import cache
from typing import cast

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import Message

from streamer import logs
from streamer.errors import KafkaError
from streamer.model import Partition, Record

# What a consumer meets while brokers or the group move; librdkafka goes on by itself.
PASSING = frozenset(
    {
        ClientError._TRANSPORT,
        ClientError._ALL_BROKERS_DOWN,
        ClientError._TIMED_OUT,
        ClientError._RESOLVE,
        ClientError._MAX_POLL_EXCEEDED,
        # A topic that is gone, or has other partitions now: the watch looks after it.
        ClientError.UNKNOWN_TOPIC_OR_PART,
        ClientError.UNKNOWN_TOPIC_ID,
        ClientError.INCONSISTENT_TOPIC_ID,
        ClientError._UNKNOWN_TOPIC,
        ClientError._UNKNOWN_PARTITION,
        ClientError.LEADER_NOT_AVAILABLE,
        ClientError.NOT_LEADER_FOR_PARTITION,
        ClientError.COORDINATOR_LOAD_IN_PROGRESS,
        ClientError.COORDINATOR_NOT_AVAILABLE,
        ClientError.NOT_COORDINATOR,
        ClientError.REBALANCE_IN_PROGRESS,
        ClientError.ILLEGAL_GENERATION,
        ClientError.UNKNOWN_MEMBER_ID,
    }
)

RESET_HINT = (
    ": what comes next is not there. Set the group's offsets with `kafka-consumer-groups.sh --reset-offsets`, or take "
    "the first record that there is with kafka.auto_offset_reset = earliest"
)

log = logs.get("kafka")


def usable(message: Message) -> bool:
    """Return whether a message is a record; False for an error that passes by itself, which is logged.

    Raises KafkaError for any other.
    """
    error = message.error()
    if error is None:
        return True
    if error.code() in PASSING or error.retriable():
        log.warning("kafka error", error=error.str(), code=error.name())
        return False
    hint = RESET_HINT if error.code() == ClientError._AUTO_OFFSET_RESET else ""
    raise KafkaError(f"reading {message.topic()} failed: {error.str()} ({error.name()}){hint}")


def place_of(message: Message) -> Partition:
    """Return where a message, or an event of a partition, comes from."""
    return _partition(str(message.topic()), message.partition() or 0)


def record_of(message: Message) -> Record:
    """Return a message of librdkafka as a record of ours."""
    headers = cast("list[tuple[str, bytes | None]] | None", message.headers())
    return Record(
        place_of(message),
        message.offset() or 0,
        message.timestamp()[1],
        _bytes(message.key()),
        _bytes(message.value()),
        tuple((name, value) for name, value in headers) if headers else (),
    )


@cache
def _partition(topic: str, number: int) -> Partition:
    """Return the same object for all records of a partition: it is compared and looked up many times for each."""
    return Partition(topic, number)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
