"""The newest write of each key, and never two of one key in flight."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

import msgspec

from streamer.model import Partition, Write

Key = tuple[str, str, bool]


class Slot(msgspec.Struct):
    """The writes of one key by rising version: the last one stands for those before it."""

    waiting: list[Write]
    flying: list[Write]


class Coalescer:
    """The writes under way, by key.

    A waiting write that is replaced stays below its survivor until that has succeeded: if Elasticsearch refuses the
    survivor for good, the next older one is written after all, and so on down. Versions decide which is newer, as they
    do in Elasticsearch; of two with the same version the first one goes.
    """

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._slots: dict[Key, Slot] = {}

    def __len__(self) -> int:
        """Return how many keys have something under way."""
        return len(self._slots)

    def offer(self, write: Write) -> None:
        """Let `write` wait."""
        _add(self._slots.setdefault(write.key, Slot([], [])).waiting, write)

    def ready(self, key: Key) -> Write | None:
        """Return the write of `key` that may be sent now."""
        slot = self._slots.get(key)
        return slot.waiting[-1] if slot is not None and slot.waiting and not slot.flying else None

    def take(self, key: Key) -> Write:
        """Move the waiting writes of `key` into flight and return the one to send."""
        slot = self._slots[key]
        assert slot.waiting, key  # noqa: S101 - a programming error
        assert not slot.flying, key  # noqa: S101 - a programming error
        slot.flying, slot.waiting = slot.waiting, []
        return slot.flying[-1]

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
        slot = self._slots[write.key]
        if not slot.waiting or slot.waiting[-1].lane not in lanes or slot.waiting[-1].version <= write.version:
            return write
        for older in slot.flying:
            _add(slot.waiting, older)
        slot.flying, slot.waiting = slot.waiting, []
        return slot.flying[-1]

    def exchange(self, write: Write, other: Write) -> bool:
        """Put `other` in the place of `write` if that is what waits to be sent, and return whether it was."""
        slot = self._slots.get(write.key)
        if slot is None or not slot.waiting or slot.waiting[-1] is not write:
            return False
        slot.waiting[-1] = other
        return True

    def change(self, key: Key, change: Callable[[Write], Write]) -> None:
        """Put `change(write)` in the place of each waiting write of `key`."""
        changed = [change(write) for write in self._slots[key].waiting]
        self._slots[key].waiting.clear()
        self._wait(key, changed)

    def drop(self, partition: Partition) -> list[Write]:
        """Forget what waits of `partition`, and what its flying writes stand for; return each of them."""
        dropped: list[Write] = []
        for key, slot in list(self._slots.items()):
            slot.waiting = _without(slot.waiting, partition, dropped)
            slot.flying = _without(slot.flying[:-1], partition, dropped) + slot.flying[-1:]
            self._forget_if_empty(key, slot)
        return dropped

    def _wait(self, key: Key, writes: list[Write]) -> None:
        if writes:
            slot = self._slots.setdefault(key, Slot([], []))
            for write in writes:
                _add(slot.waiting, write)

    def _land(self, write: Write) -> list[Write]:
        slot = self._slots[write.key]
        assert slot.flying[-1] is write, write.key  # noqa: S101 - a programming error
        *older, _ = slot.flying
        slot.flying = []
        self._forget_if_empty(write.key, slot)
        return older

    def _forget_if_empty(self, key: Key, slot: Slot) -> None:
        if not slot.waiting and not slot.flying:
            self._slots.pop(key, None)


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
