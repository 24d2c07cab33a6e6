"""What goes next: keys in the order in which they became ready, cut to the room that the gate has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import chain

import msgspec

from streamer.batching.coalesce import Key
from streamer.model import Write


class Room(msgspec.Struct, frozen=True):
    """What one bulk may take at most: units of its lane's window, and bytes."""

    units: int
    size: int


class Batcher:
    """A queue of keys for each lane, and one for look-ups; a key stands in one of them once.

    A key keeps its place when a newer write replaces the waiting one, so that a busy key is not starved. What is owed
    its tokens only goes when nothing else waits in its lane. `find` gives the write of a key that may be sent now.
    """

    def __init__(self, find: Callable[[Key], Write | None]) -> None:
        """Look the writes up with `find`."""
        self._find = find
        self._queues: defaultdict[str, dict[Key, float]] = defaultdict(dict)
        self._owed: defaultdict[str, dict[Key, float]] = defaultdict(dict)

    def begin(self, key: Key, write: Write, now: float) -> None:
        """Put a key that stands in no queue in that of its `write`."""
        self._queue_of(write)[key] = now

    def add(self, key: Key, now: float) -> None:
        """Put a key in the queue of its present write, out of any other, and out of all when it has none."""
        write = self._find(key)
        wanted = None if write is None else self._queue_of(write)
        for queue in (*self._queues.values(), *self._owed.values()):
            if queue is not wanted:
                queue.pop(key, None)
        if wanted is not None:
            wanted.setdefault(key, now)

    def keys(self, lane: str) -> list[Key]:
        """Return the keys of `lane` that are ready, but for those that are owed."""
        return list(self._queues[lane])

    def oldest(self, lane: str) -> float | None:
        """Return when the first key of `lane` became ready, in the seconds that `add` was given."""
        return next(iter((self._queues[lane] or self._owed[lane]).values()), None)

    def waiting(self, lane: str) -> int:
        """Return how many keys of `lane` are ready."""
        return len(self._queues[lane]) + len(self._owed[lane])

    def form(self, lane: str, room: Room) -> dict[Key, Write]:
        """Take the next writes of `lane` that fit into `room`; one that is larger than the room goes alone."""
        queue, owed = self._queues[lane], self._owed[lane]
        chosen: dict[Key, Write] = {}
        units = size = 0
        for key in chain(queue, owed):
            write = self._find(key)
            assert write is not None, key  # noqa: S101 - a programming error
            units += write.units
            size += write.size
            if chosen and (units > room.units or size > room.size):
                break
            chosen[key] = write
        for key, write in chosen.items():
            del (owed if write.owed else queue)[key]
        return chosen

    def _queue_of(self, write: Write) -> dict[Key, float]:
        return (self._owed if write.owed else self._queues)[write.queue]
