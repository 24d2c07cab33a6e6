"""Epochs: which incarnation of a topic a record belongs to (pure).

A version begins with the epoch, so that records of a topic that was deleted and made again beat those of its
predecessor, although their offsets begin at 0 once more. The list is append-only and the same for all instances.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from streamer.errors import StateError
from streamer.kafka.admin import Topic
from streamer.model import SCHEMA_VERSION


class Epoch(msgspec.Struct, frozen=True):
    """One incarnation of a topic; `starts` gives the first offset of each partition, keyed by its number as text."""

    cluster_id: str
    topic: str
    topic_id: str
    epoch: int
    starts: dict[str, int]
    created_at_ms: int
    kind: Literal["epoch"] = "epoch"
    schema_version: int = SCHEMA_VERSION


def epoch_id(cluster_id: str, topic: str, epoch: int) -> str:
    """Return the id of the state document of an epoch."""
    return f"epoch:{cluster_id}:{topic}:{epoch}"


def current_epoch(known: Sequence[Epoch], topic: Topic) -> Epoch | None:
    """Return the epoch of `topic` among the `known` ones of its name, or None when its topic id is new.

    Raises StateError when the topic has more partitions than when its epoch began.
    """
    same = [epoch for epoch in known if epoch.topic_id == topic.id]
    if not same:
        return None
    newest = max(same, key=lambda epoch: epoch.epoch)
    if topic.partitions != len(newest.starts):
        msg = (
            f"the topic {topic.name!r} has {topic.partitions} partitions and had {len(newest.starts)} when its epoch "
            f"{newest.epoch} began: keys have moved between partitions, so their offsets no longer say which record is "
            "newer, and going on could put an old document over a new one; make a topic with the new number of "
            "partitions, copy the records into it and let a route read that one into a new index"
        )
        raise StateError(msg)
    return newest


def next_epoch(known: Sequence[Epoch], topic: Topic, cluster_id: str, starts: Mapping[int, int], now_ms: int) -> Epoch:
    """Return the epoch that follows the `known` ones; the first is 1."""
    return Epoch(
        cluster_id=cluster_id,
        topic=topic.name,
        topic_id=topic.id,
        epoch=1 + max((epoch.epoch for epoch in known), default=0),
        starts={str(partition): offset for partition, offset in sorted(starts.items())},
        created_at_ms=now_ms,
    )


def refuse_newer(schema_version: int, what: str) -> None:
    """Raise StateError when `what` was written by a newer program."""
    if schema_version > SCHEMA_VERSION:
        msg = (
            f"{what} has schema version {schema_version} and this program knows {SCHEMA_VERSION}: "
            "run the newer version of the streamer that wrote it"
        )
        raise StateError(msg)


def refuse_without_state(topic: str, index: str, documents: int) -> None:
    """Raise StateError when documents of `topic` exist, but no epoch of it does."""
    if documents:
        msg = (
            f"the index {index!r} holds {documents} documents of the topic {topic!r}, but the state index knows no "
            "epoch of it, so new versions cannot be told from old ones: restore the state index from a snapshot, or "
            f"delete the index behind {index!r}, run `streamer setup` and let a group of another name read the topic "
            "from the start"
        )
        raise StateError(msg)
