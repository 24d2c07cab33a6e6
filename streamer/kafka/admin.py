"""Questions about topics and groups; each blocks for at most `TIMEOUT` seconds, so call it in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from contextlib import closing
from typing import Any, TypeVar

import msgspec
from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicCollection, TopicPartition
from confluent_kafka import KafkaError as ClientError
from confluent_kafka.admin import AdminClient, ConfigResource, ConsumerGroupDescription, NewTopic, OffsetSpec

from streamer.kafka.client import connection, ours
from streamer.model import Partition
from streamer.settings import KafkaConnectionSettings

TIMEOUT = 15.0
POLL = 0.1
COORDINATOR_MOVING = frozenset(
    {
        ClientError.COORDINATOR_LOAD_IN_PROGRESS,
        ClientError.COORDINATOR_NOT_AVAILABLE,
        ClientError.NOT_COORDINATOR,
    }
)

LEADER_MOVING = frozenset(
    {
        ClientError.UNKNOWN_TOPIC_OR_PART,
        ClientError.LEADER_NOT_AVAILABLE,
        ClientError.NOT_LEADER_FOR_PARTITION,
        ClientError._UNKNOWN_PARTITION,
    }
)
"""Of a topic that was made just now, too."""

T = TypeVar("T")


class Topic(msgspec.Struct, frozen=True):
    """A topic that exists; `id` is its Kafka topic id, new whenever it is created again."""

    name: str
    id: str
    partitions: int


class Committed(msgspec.Struct, frozen=True):
    """What a group committed for a partition: the next offset to read, and the metadata beside it."""

    offset: int
    metadata: str


class Admin:
    """An admin client. Every method raises KafkaError, or KafkaUnavailable when no broker answers."""

    def __init__(self, settings: KafkaConnectionSettings) -> None:
        """Prepare a client; it connects when it is asked something."""
        self._connection = connection(settings)
        self._client = AdminClient(self._connection)

    def cluster_id(self) -> str:
        """Return the id of the Kafka cluster."""
        described = _result(self._client.describe_cluster(request_timeout=TIMEOUT), "describing the cluster")
        return str(described.cluster_id)

    def topic_names(self) -> list[str]:
        """Return the names of all topics that we may see."""
        try:
            return sorted(self._client.list_topics(timeout=TIMEOUT).topics)
        except KafkaException as error:
            raise ours(error, "listing topics") from error

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        """Return those of `names` that exist."""
        wanted = TopicCollection(list(names))
        found: dict[str, Topic] = {}
        for name, future in self._client.describe_topics(wanted, request_timeout=TIMEOUT).items():
            try:
                described = future.result()
            except KafkaException as error:
                if error.args[0].code() == ClientError.UNKNOWN_TOPIC_OR_PART:
                    continue
                raise ours(error, f"describing the topic {name}") from error
            found[name] = Topic(name, str(described.topic_id), len(described.partitions))
        return found

    def create_topic(
        self, name: str, partitions: int, replication_factor: int, config: Mapping[str, str] | None = None
    ) -> bool:
        """Create a topic; return False when it was there already."""
        new = NewTopic(name, partitions, replication_factor, config=dict(config or {}))
        future = self._client.create_topics([new], request_timeout=TIMEOUT)[name]
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() == ClientError.TOPIC_ALREADY_EXISTS:
                return False
            raise ours(error, f"creating the topic {name}") from error
        return True

    def topic_config(self, name: str) -> dict[str, str]:
        """Return the configuration of the topic `name`, defaults included."""
        resource = ConfigResource(ConfigResource.Type.TOPIC, name)
        future = self._client.describe_configs([resource], request_timeout=TIMEOUT)[resource]
        entries = _result(future, f"reading the configuration of {name}")
        return {key: entry.value for key, entry in entries.items() if entry.value is not None}

    def offsets(self, partitions: Iterable[Partition], *, end: bool) -> dict[Partition, int]:
        """Return the first offset of each partition, or with `end` the one that the next record will get."""
        return self._offsets(partitions, OffsetSpec.latest() if end else OffsetSpec.earliest())

    def offsets_at(self, partitions: Iterable[Partition], at_ms: int) -> dict[Partition, int]:
        """Return the offset of the first record with this timestamp or a later one; -1 where there is none."""
        return self._offsets(partitions, OffsetSpec.for_timestamp(at_ms))

    def _offsets(self, partitions: Iterable[Partition], spec: OffsetSpec) -> dict[Partition, int]:
        wanted = {TopicPartition(partition.topic, partition.number): spec for partition in partitions}
        level = IsolationLevel.READ_UNCOMMITTED

        def ask() -> dict[Partition, int]:
            futures = self._client.list_offsets(wanted, isolation_level=level, request_timeout=TIMEOUT)
            return {Partition(at.topic, at.partition): future.result().offset for at, future in futures.items()}

        return _settled(ask, "listing offsets", LEADER_MOVING) if wanted else {}

    def committed(self, group: str, partitions: Iterable[Partition]) -> dict[Partition, Committed]:
        """Return what `group` committed; partitions without a commit are left out.

        It asks as a consumer, which joins nothing: asked by an admin client, librdkafka 2.16 ends the process with a
        segmentation fault when the group's coordinator is not ready (`rd_kafka_handle_OffsetFetch` refreshes the
        coordinator of a group that an admin client does not have).
        """
        settings = self._connection | {"group.id": group, "enable.auto.commit": False}
        with closing(Consumer(settings)) as consumer:
            return commits_of(consumer, partitions)

    def members(self, group: str) -> list[dict[str, Any]]:
        """Return the members of `group` with the partitions that each has."""

        def ask() -> ConsumerGroupDescription:
            described: ConsumerGroupDescription = self._client.describe_consumer_groups(
                [group], request_timeout=TIMEOUT
            )[group].result()
            return described

        described = _settled(ask, f"describing the group {group}")
        return [
            {
                "member": member.member_id,
                "client": member.client_id,
                "host": member.host,
                "partitions": [f"{p.topic}-{p.partition}" for p in member.assignment.topic_partitions],
            }
            for member in described.members
        ]


def commits_of(consumer: Consumer, partitions: Iterable[Partition]) -> dict[Partition, Committed]:
    """Return what the group of `consumer` committed; partitions without a commit are left out. Raises KafkaError."""
    wanted = [TopicPartition(partition.topic, partition.number) for partition in partitions]
    found = _settled(lambda: consumer.committed(wanted, timeout=TIMEOUT), "reading the offsets of the group")
    return {
        Partition(position.topic, position.partition): Committed(position.offset, position.metadata or "")
        for position in found
        if position.offset >= 0
    }


def _settled(ask: Callable[[], T], doing: str, moving: frozenset[int] = COORDINATOR_MOVING) -> T:
    """Ask a group's coordinator or a leader, again while it is `moving`: librdkafka passes that on to its callers."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].code() not in moving or time.monotonic() > deadline:
                raise ours(error, doing) from error
        time.sleep(POLL)


def _result(future: Future[T], doing: str) -> T:
    try:
        return future.result()
    except KafkaException as error:
        raise ours(error, doing) from error
