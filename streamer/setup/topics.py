"""The streamer's own topics.

Compatible, and so no difference: partitions, replicas and every setting but `cleanup.policy`, which decides whether
progress may grow without end and whether dead letters of one key replace each other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from streamer.errors import SetupDifference
from streamer.kafka.admin import Admin
from streamer.settings import TopicSettings
from streamer.setup.difference import line
from streamer.setup.step import Say, Step

DAY_MS = 86_400_000
POLICY = "cleanup.policy"
LARGEST_MESSAGE = {"max.message.bytes": str(4 << 20)}
"""A dead letter or parcel holds its record in base64: a third larger than the largest record by default."""
CHANGE = "change it with `kafka-configs.sh --alter`, or give `topics` another name in the settings"


class OwnTopic(msgspec.Struct, frozen=True):
    """A topic to make; one partition each, because each carries little and its readers want one order."""

    name: str
    config: Mapping[str, str]
    partitions: int = 1


def own_topics(topics: TopicSettings) -> tuple[OwnTopic, ...]:
    """Return the topics that the streamer writes."""
    kept = str(topics.dead_letter_retention_days * DAY_MS)
    letters = {POLICY: "delete", "retention.ms": kept} | LARGEST_MESSAGE
    return (
        OwnTopic(topics.dead_letters, letters),
        OwnTopic(topics.redrive, letters),
        OwnTopic(topics.backlog, {POLICY: "compact"} | LARGEST_MESSAGE),
        OwnTopic(topics.progress, {POLICY: "compact"}),
        # Faust's client reads no lz4, which the producer uses, without one library more; the broker unpacks it instead.
        OwnTopic(
            topics.outcomes,
            {POLICY: "delete", "retention.ms": str(DAY_MS), "compression.type": "uncompressed"},
        ),
    )


def topic_differences(wanted: OwnTopic, found: Mapping[str, str]) -> list[str]:
    """Compare the configuration of an existing topic with ours (pure)."""
    expected, there = wanted.config[POLICY], found.get(POLICY, "delete")
    return [] if expected == there else [line(POLICY, expected, there)]


async def ensure_topics(admin: Admin, topics: TopicSettings, say: Say) -> None:
    """Make the streamer's own topics. Raises SetupDifference, KafkaError."""
    for wanted in own_topics(topics):
        made = await asyncio.to_thread(
            admin.create_topic, wanted.name, wanted.partitions, topics.replication_factor, wanted.config
        )
        if not made:
            found = await asyncio.to_thread(admin.topic_config, wanted.name)
            if lines := topic_differences(wanted, found):
                raise SetupDifference("topic", wanted.name, lines, CHANGE)
        say(Step("topic", wanted.name, "created" if made else "exists"))
