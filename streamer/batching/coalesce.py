"""The newest write of each key, and never two of one key in flight."""

from __future__ import annotations

import msgspec

from streamer.model import Partition, Write

Key = tuple[str, str]


class Slot(msgspec.Struct):
    """The writes of one key: at most one waits and one is in flight."""

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

    def offer(self, write: Write) -> list[Write]:
        """Let `write` wait, or the waiting one if that is of a higher version; return what is superseded for good."""
        slot = self._slots.setdefault(write.key, Slot())
        slot.waiting, ended = _join(slot.waiting, write)
        return ended

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

    def refused(self, write: Write) -> list[Write]:
        """End the flight of `write`, which is not indexed by us: the write that it stood for waits again.

        Returns what a newer one, which waits already, supersedes for good.
        """
        slot = self._land(write)
        older, write.replaced = write.replaced, None
        if older is None:
            return []
        slot.waiting, ended = _join(older, slot.waiting)
        self._slots[write.key] = slot
        return ended

    def renewed(self, write: Write, lanes: frozenset[str]) -> tuple[Write, list[Write]]:
        """Return what to send in place of `write`, which has to be sent again, and what is superseded by that.

        That is the waiting write of the key if there is one, it is newer and it goes in one of `lanes`.
        """
        slot = self._slots[write.key]
        newer = slot.waiting
        if newer is None or newer.lane not in lanes or newer.version <= write.version:
            return write, []
        slot.flying, ended = _join(newer, write)
        slot.waiting = None
        return newer, ended

    def drop(self, partition: Partition) -> list[Write]:
        """Forget what waits of `partition`, and what its flying writes stand for; return each of them."""
        dropped: list[Write] = []
        for key, slot in list(self._slots.items()):
            slot.waiting = _without(slot.waiting, partition, dropped)
            if slot.flying is not None:
                slot.flying.replaced = _without(slot.flying.replaced, partition, dropped)
            self._forget_if_empty(key, slot)
        return dropped

    def _land(self, write: Write) -> Slot:
        slot = self._slots[write.key]
        assert slot.flying is write, write.key  # noqa: S101 - a programming error
        slot.flying = None
        self._forget_if_empty(write.key, slot)
        return slot

    def _forget_if_empty(self, key: Key, slot: Slot) -> None:
        if slot.waiting is None and slot.flying is None:
            self._slots.pop(key, None)


def _join(*writes: Write | None) -> tuple[Write, list[Write]]:
    """Return the newest of some writes of a key, which stands for the next one, and those that end by that.

    Versions decide, as they do in Elasticsearch; of two with the same version the first one stays.
    """
    known = [one for write in writes if write is not None for one in (write, write.replaced) if one is not None]
    survivor, *older = sorted(known, key=lambda write: -write.version)
    for one in older:
        one.replaced = None
    survivor.replaced = older[0] if older else None
    return survivor, older[1:]


def _without(write: Write | None, partition: Partition, dropped: list[Write]) -> Write | None:
    """Return what is left of a write and the one that it stands for, without those of `partition`."""
    if write is None:
        return None
    older = _without(write.replaced, partition, dropped)
    write.replaced = None
    if write.partition == partition:
        dropped.append(write)
        return older
    write.replaced = older
    return write
