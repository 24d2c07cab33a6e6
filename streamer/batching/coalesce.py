"""The newest write of each key, and never two of one key in flight."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from streamer.model import Partition, Write

Key = tuple[str, str, bool]


class Coalescer:
    """The writes under way, by key and rising version: the last one of a key stands for those before it.

    A waiting write that is replaced stays below its survivor until that has succeeded: if Elasticsearch refuses the
    survivor for good, the next older one is written after all, and so on down. Versions decide which is newer, as they
    do in Elasticsearch; of two with the same version the first one goes.
    """

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._waiting: dict[Key, list[Write]] = {}
        self._flying: dict[Key, list[Write]] = {}

    def __len__(self) -> int:
        """Return how many keys have something under way."""
        return len(self._waiting.keys() | self._flying.keys())

    def offer(self, key: Key, write: Write) -> bool:
        """Let `write`, whose key is `key`, wait; return whether nothing else of the key is under way."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            _add(waiting, write)
            return False
        self._waiting[key] = [write]
        return key not in self._flying

    def ready(self, key: Key) -> Write | None:
        """Return the write of `key` that may be sent now."""
        waiting = self._waiting.get(key)
        return waiting[-1] if waiting is not None and key not in self._flying else None

    def take(self, key: Key) -> Write:
        """Move the waiting writes of `key` into flight and return the one to send."""
        assert key not in self._flying, key  # noqa: S101 - a programming error
        self._flying[key] = writes = self._waiting.pop(key)
        return writes[-1]

    def succeeded(self, write: Write) -> list[Write]:
        """End the flight of `write`; return the writes that it stood for, superseded now."""
        return self._land(write)

    def returned(self, write: Write) -> None:
        """End the flight of `write`, which waits again with those that it stands for."""
        older = self._land(write)
        self._wait(write.key, [*older, write])

    def refused(self, write: Write) -> None:
        """End the flight of `write`, which is not indexed by us: the writes that it stood for wait again."""
        self._wait(write.key, self._land(write))

    def renewed(self, write: Write, lanes: frozenset[str]) -> Write:
        """Return what to send in place of `write`, which has to be sent again.

        That is the waiting write of the key if there is one, it is newer and it goes in one of `lanes`; it stands for
        `write` from then on.
        """
        key = write.key
        waiting = self._waiting.get(key)
        if waiting is None or waiting[-1].lane not in lanes or waiting[-1].version <= write.version:
            return write
        for older in self._flying[key]:
            _add(waiting, older)
        self._flying[key] = self._waiting.pop(key)
        return waiting[-1]

    def exchange(self, write: Write, other: Write) -> bool:
        """Put `other` in the place of `write` if that is what waits to be sent, and return whether it was."""
        waiting = self._waiting.get(write.key)
        if waiting is None or waiting[-1] is not write:
            return False
        waiting[-1] = other
        return True

    def change(self, key: Key, change: Callable[[Write], Write]) -> None:
        """Put `change(write)` in the place of each waiting write of `key`."""
        self._wait(key, [change(write) for write in self._waiting.pop(key)])

    def drop(self, partition: Partition) -> list[Write]:
        """Forget what waits of `partition`, and what its flying writes stand for; return each of them."""
        dropped: list[Write] = []
        for key, waiting in list(self._waiting.items()):
            if left := _without(waiting, partition, dropped):
                self._waiting[key] = left
            else:
                del self._waiting[key]
        for key, flying in self._flying.items():
            self._flying[key] = _without(flying[:-1], partition, dropped) + flying[-1:]
        return dropped

    def _wait(self, key: Key, writes: list[Write]) -> None:
        if writes:
            waiting = self._waiting.setdefault(key, [])
            for write in writes:
                _add(waiting, write)

    def _land(self, write: Write) -> list[Write]:
        flying = self._flying.pop(write.key)
        assert flying.pop() is write, write.key  # noqa: S101 - a programming error
        return flying


def _add(writes: list[Write], write: Write) -> None:
    """Put a write in its place; nearly always that is the end."""
    if not writes or writes[-1].version < write.version:
        writes.append(write)
    else:
        # Below those of its own version: the first one goes.
        writes.insert(bisect_left(writes, write.version, key=_version), write)


def _version(write: Write) -> int:
    return write.version


def _without(writes: list[Write], partition: Partition, dropped: list[Write]) -> list[Write]:
    """Return `writes` without those of `partition`, which are added to `dropped`."""
    dropped += [write for write in writes if write.partition == partition]
    return [write for write in writes if write.partition != partition]
