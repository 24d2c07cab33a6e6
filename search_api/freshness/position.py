"""Positions in topics as producers know them, written `films-0@1234` (pure)."""

from __future__ import annotations

import re

import msgspec

from streamer.model import Partition

# Kafka's own bounds of a topic's name; a topic id is a UUID in base64.
_POSITION = re.compile(
    r"(?P<topic>[A-Za-z0-9._-]{1,249})-(?P<number>\d{1,9})@(?P<offset>\d{1,18})(?::(?P<topic_id>[A-Za-z0-9_+/-]{22}))?"
)
# Kafka's tools write ids so that they can stand in a URL; librdkafka, and so progress events, with + and /.
_IN_URL = str.maketrans("+/", "-_")
_IN_EVENTS = str.maketrans("-_", "+/")


class Position(msgspec.Struct, frozen=True):
    """The offset of a record; `topic_id` names the incarnation of the topic, None means the present one.

    `meant` is which one that was when it was asked for.
    """

    partition: Partition
    offset: int
    topic_id: str | None = None
    meant: str | None = None

    def __str__(self) -> str:
        """Return it as it is written."""
        return f"{self.partition}@{self.offset}" + (f":{id_in_url(self.topic_id)}" if self.topic_id else "")


def parse(text: str) -> Position:
    """Return the position that `text` writes. Raises ValueError."""
    found = _POSITION.fullmatch(text)
    if found is None:
        raise ValueError("must be written TOPIC-PARTITION@OFFSET, such as films-0@1234, if you like with :TOPIC_ID")
    place = Partition(found["topic"], int(found["number"]))
    topic_id = found["topic_id"]
    return Position(place, int(found["offset"]), topic_id and topic_id.translate(_IN_EVENTS))


def id_in_url(topic_id: str) -> str:
    """Return a topic id as clients see it."""
    return topic_id.translate(_IN_URL)
