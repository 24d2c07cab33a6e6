"""Records that lose against a state that cannot be newer: a sign that versions do not mean what they should."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from streamer.delivery.fuse import Fuse
from streamer.errors import StaleBurst
from streamer.intake.identity import epoch_and_offset
from streamer.intake.route import Route
from streamer.model import Partition, Write


class StaleWatch:
    """Tells a replay, where a record meets its own successors, from an index that somebody else has written.

    A successor is in the topic: its offset lies before the log's end, and its epoch is ours or, where keys moved to
    partitions that were added, another one of the topic. Versions that records bring themselves, and records of a
    redrive or the backlog, may be stale for good reasons.
    """

    def __init__(
        self,
        routes: Mapping[str, Route],
        end_of: Callable[[Partition], int | None],
        epochs_of: Callable[[str], frozenset[int]],
        fuse: Fuse,
    ) -> None:
        """Judge writes of `routes`.

        `end_of` knows a partition's log end, as far as anybody has looked, `epochs_of` the epochs of a topic as it is.
        """
        self._routes, self._end_of, self._epochs_of, self._fuse = routes, end_of, epochs_of, fuse

    def saw(self, write: Write, current: int) -> None:
        """Learn that the index has version `current` where `write` should go. Raises StaleBurst for many of these."""
        if not self._is_impossible(write, current):
            return
        if broken := self._fuse.count():
            epoch, offset = epoch_and_offset(current)
            raise StaleBurst(
                f"{broken} of the records of {write.partition} were beaten by versions that this topic cannot have "
                f"given (the last: id {write.id!r}, our epoch {write.epoch} and offset {write.record.offset}, found "
                f"epoch {epoch} and offset {offset}): another topic or cluster writes the same ids into this index, or "
                "Kafka or the state index was restored from an older copy; give the route an id_prefix or an index of "
                "its own, or rebuild the index"
            )

    def _is_impossible(self, write: Write, current: int) -> bool:
        if write.via is not None or self._routes[write.route].version_from != "position":
            return False
        epoch, offset = epoch_and_offset(current)
        end = self._end_of(write.partition)
        if epoch > write.epoch:
            return epoch not in self._epochs_of(write.partition.topic)
        return epoch == write.epoch and end is not None and offset >= end
