"""The newest write of each key, and never two of one key in flight."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from streamer.model import Partition, Write

Key = tuple[str, str]


class Slot(msgspec.Struct):
    """The writes of one key: at most one waits and one is in flight, the waiting one being the newer."""

    waiting: Write | None = None
    flying: Write | None = None


class Coalescer:
    """The writes under way, by key.

    A waiting write that is replaced is kept on its survivor (`Write.replaced`) until the survivor has succeeded:
    if Elasticsearch refuses the survivor for good, the older one is written after all. Methods that end a write
    without sending it return it, so that the caller can complete its offset.
    """

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._slots: dict[Key, Slot] = {}

    def __len__(self) -> int:
        """Return how many keys have something under way."""
        return len(self._slots)

    def offer(self, write: Write) -> Write | None:
        """Let `write` wait; return the write that is superseded for good by this, if any."""
        slot = self._slots.setdefault(write.key, Slot())
        older, slot.waiting = slot.waiting, write
        return None if older is None else _keep(write, older)

    def ready(self, key: Key) -> Write | None:
        """Return the write of `key` that may be sent now."""
        slot = self._slots.get(key)
        return slot.waiting if slot is not None and slot.flying is None else None

    def take(self, key: Key) -> Write:
        """Move the waiting write of `key` into flight and return it."""
        slot = self._slots[key]
        assert slot.waiting is not None, key  # noqa: S101 - a programming error
        assert slot.flying is None, key  # noqa: S101 - a programming error
        slot.flying, slot.waiting = slot.waiting, None
        return slot.flying

    def succeeded(self, write: Write) -> Write | None:
        """End the flight of `write`; return the write that it stood for, superseded now."""
        self._land(write)
        replaced, write.replaced = write.replaced, None
        return replaced

    def refused(self, write: Write) -> Write | None:
        """End the flight of `write`, which will never be indexed: the write that it stood for waits again.

        Returns that write if a newer one stands for it already, so that it is superseded for good.
        """
        slot = self._land(write)
        older, write.replaced = write.replaced, None
        if older is None:
            return None
        if slot.waiting is None:
            slot.waiting = older
            self._slots[write.key] = slot
            return None
        return self._stand_in(slot.waiting, older)

    def renewed(self, write: Write, lanes: frozenset[str]) -> tuple[Write, list[Write]]:
        """Return what to send in place of `write`, which has to be sent again, and what is superseded by that.

        That is the newer write of the key if there is one and it goes in one of `lanes`.
        """
        slot = self._slots[write.key]
        newer = slot.waiting
        if newer is None or newer.lane not in lanes:
            return write, []
        slot.flying, slot.waiting = newer, None
        older, write.replaced = write.replaced, None
        ended = [self._stand_in(newer, write), older]
        return newer, [one for one in ended if one is not None]

    def drop(self, partition: Partition) -> Iterator[Write]:
        """Forget what waits of `partition`, and what its flying writes stand for; return each of them."""
        for key, slot in list(self._slots.items()):
            yield from _without(slot, partition)
            self._forget_if_empty(key, slot)

    def _stand_in(self, survivor: Write, older: Write) -> Write | None:
        if survivor.replaced is None:
            survivor.replaced = older
            return None
        return older

    def _land(self, write: Write) -> Slot:
        slot = self._slots[write.key]
        assert slot.flying is write, write.key  # noqa: S101 - a programming error
        slot.flying = None
        self._forget_if_empty(write.key, slot)
        return slot

    def _forget_if_empty(self, key: Key, slot: Slot) -> None:
        if slot.waiting is None and slot.flying is None:
            self._slots.pop(key, None)


def _keep(survivor: Write, older: Write) -> Write | None:
    survivor.replaced = older
    ended, older.replaced = older.replaced, None
    return ended


def _without(slot: Slot, partition: Partition) -> Iterator[Write]:
    waiting = slot.waiting
    if waiting is not None and waiting.partition == partition:
        slot.waiting = None
        yield waiting
    for survivor in (waiting, slot.flying):
        if survivor is not None and survivor.replaced is not None and survivor.replaced.partition == partition:
            yield survivor.replaced
            survivor.replaced = None
