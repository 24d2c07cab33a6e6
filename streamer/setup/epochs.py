"""Epochs: which incarnation of a topic a record belongs to (pure).

A version begins with the epoch, so that records of a topic that was deleted and made again beat those of its
predecessor, although their offsets begin at 0 once more. Partitions that are added to a topic begin epochs too,
because keys move to them. The list is append-only and the same for all instances.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from streamer.errors import StateError
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Topic
from streamer.model import SCHEMA_VERSION


class Epoch(msgspec.Struct, frozen=True):
    """A part of a topic; `starts` gives the first offset of each of its partitions, keyed by its number as text.

    Epochs of one topic id may name other partitions each: those that were added have an epoch of their own.
    """

    cluster_id: str
    topic: str
    topic_id: str
    epoch: int
    starts: dict[str, int]
    created_at_ms: int
    kind: Literal["epoch"] = "epoch"
    schema_version: int = SCHEMA_VERSION


class Mark(msgspec.Struct, frozen=True):
    """A place in the old partitions of a topic that got new ones: `starts` are offsets, by partition as text.

    A `growth` holds their ends when the new ones were first seen, at `created_at_ms`; a `boundary` is where their next
    epoch begins.
    """

    kind: Literal["growth", "boundary"]
    cluster_id: str
    topic: str
    topic_id: str
    starts: dict[str, int]
    created_at_ms: int
    schema_version: int = SCHEMA_VERSION

    def ends(self) -> dict[int, int]:
        """Return the offsets by partition number."""
        return {int(number): offset for number, offset in self.starts.items()}


def epoch_id(cluster_id: str, topic: str, epoch: int) -> str:
    """Return the id of the state document of an epoch."""
    return f"epoch:{cluster_id}:{topic}:{epoch}"


def mark_id(mark: Mark) -> str:
    """Return the id of the state document of a mark: one of each kind for each time that a topic grows."""
    return f"{mark.kind}:{mark.cluster_id}:{mark.topic}:{mark.topic_id}:{len(mark.starts)}"


def timeline_of(known: Iterable[Epoch], topic_id: str) -> Timeline | None:
    """Return the epochs of `topic_id` among the `known` ones of its name, or None when the id is new."""
    marks: dict[int, tuple[tuple[int, int], ...]] = {}
    for epoch in sorted(known, key=lambda one: one.epoch):
        if epoch.topic_id == topic_id:
            for number, start in epoch.starts.items():
                marks[int(number)] = (*marks.get(int(number), ()), (start, epoch.epoch))
    return Timeline(marks) if marks else None


def is_replaced(known: Iterable[Epoch], topic_id: str) -> bool:
    """Return whether a later incarnation than `topic_id` is known: a broker that still names it is behind."""
    ids = [epoch.topic_id for epoch in sorted(known, key=lambda one: one.epoch)]
    return topic_id in ids and ids[-1] != topic_id


def next_epoch(known: Sequence[Epoch], topic: Topic, cluster_id: str, starts: Mapping[int, int], now_ms: int) -> Epoch:
    """Return the epoch that follows the `known` ones; the first is 1."""
    return Epoch(
        cluster_id=cluster_id,
        topic=topic.name,
        topic_id=topic.id,
        epoch=1 + max((epoch.epoch for epoch in known), default=0),
        starts=texts(starts),
        created_at_ms=now_ms,
    )


def starts_after_growth(boundary: Mark, partitions: int) -> list[dict[int, int]]:
    """Return the starts of the two epochs that follow when a topic has grown to `partitions`.

    The old partitions go on in the first, from the boundary. The new ones are the second, so that they beat the old
    ones at any offset: a key that moved to one of them is written there only, by whoever knows of it.
    """
    return [boundary.ends(), dict.fromkeys(range(len(boundary.starts), partitions), 0)]


def is_open(known: Iterable[Epoch], topic_id: str, starts: Mapping[int, int]) -> bool:
    """Return whether an epoch of `topic_id` begins exactly at `starts`."""
    return any(epoch.topic_id == topic_id and epoch.starts == texts(starts) for epoch in known)


def texts(starts: Mapping[int, int]) -> dict[str, int]:
    """Return offsets by partition as they are stored."""
    return {str(number): offset for number, offset in sorted(starts.items())}


def refuse_grown(timeline: Timeline, topic: Topic) -> None:
    """Raise StateError when `topic` has more partitions than its epochs name."""
    if topic.partitions > len(timeline):
        msg = (
            f"the topic {topic.name!r} has {topic.partitions} partitions and had {len(timeline)} when its epoch "
            f"{timeline.newest} began: keys have moved between partitions, so their offsets do not say any more which "
            "record is newer, and going on could put an old document over a new one. Nothing is lost: stop every "
            f"instance of the group and run `streamer repartition {topic.name}`, then start them again"
        )
        raise StateError(msg)


def refuse_newer(schema_version: int, what: str) -> None:
    """Raise StateError when `what` was written by a newer program."""
    if schema_version > SCHEMA_VERSION:
        msg = (
            f"{what} has schema version {schema_version} and this program knows {SCHEMA_VERSION}: "
            "run the newer version of the streamer that wrote it"
        )
        raise StateError(msg)


def way_out(index: str) -> str:
    """Return how to go on when the epochs of an index's documents are lost."""
    return (
        "restore the state index from a snapshot, or "
        f"delete the index behind {index!r}, run `streamer setup` and let a group of another name read the topic "
        "from the start"
    )


def refuse_without_state(topic: str, index: str, documents: int) -> None:
    """Raise StateError when documents of `topic` exist, but no epoch of it does."""
    if documents:
        msg = (
            f"the index {index!r} holds {documents} documents of the topic {topic!r}, but the state index knows no "
            f"epoch of it, so new versions cannot be told from old ones: {way_out(index)}"
        )
        raise StateError(msg)


def refuse_lost(known: Iterable[Epoch], timeline: Timeline, topic: str, index: str) -> None:
    """Raise StateError when epochs that records were taken under are gone from the state index."""
    lost = timeline.epochs - {epoch.epoch for epoch in known}
    if lost:
        names = ", ".join(map(str, sorted(lost)))
        msg = (
            f"epoch {names} of the topic {topic!r} is gone from the state index while it was in use, and with it the "
            f"deletion markers; nothing that is not done was committed: {way_out(index)}"
        )
        raise StateError(msg)
