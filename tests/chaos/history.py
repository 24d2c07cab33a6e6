"""Every record that was sent, by key and in order, and how old a state of a document is."""

from __future__ import annotations

import enum
from collections import defaultdict
from dataclasses import dataclass

from tests.fixtures.kafka import Sent

STAGE_BITS, OFFSET_BITS = 2, 44
Place = tuple[int, int, int]
"""Epoch, partition and offset of a record."""


class Kind(enum.Enum):
    """What a record is to the streamer."""

    GOOD = "good"
    UNDECODABLE = "undecodable"
    """Refused by decoding: a dead letter, always."""
    UNMAPPED = "unmapped"
    """Refused by Elasticsearch, when it gets there: a newer record of its key may replace it before."""


@dataclass(frozen=True)
class Fact:
    """A record in its place, under the epoch of its topic."""

    record: Sent
    kind: Kind
    epoch: int

    @property
    def place(self) -> Place:
        return (self.epoch, self.record.partition, self.record.offset)

    @property
    def rank(self) -> int:
        """A number that grows with the records of a key; the document's version without its stage."""
        return (self.epoch << OFFSET_BITS) + self.record.offset + 1

    @property
    def deletes(self) -> bool:
        return self.record.value is None


def rank_of(version: int) -> int:
    """Return the rank of the record that a document's version comes from."""
    return version >> STAGE_BITS


class History:
    """All facts; one thread adds to it, others read."""

    def __init__(self) -> None:
        self.facts: list[Fact] = []
        self.ends: dict[int, int] = {}
        """The next offset of each partition of the present topic, as far as is known."""
        self._places: defaultdict[tuple[int, int], list[Fact]] = defaultdict(list)
        self._good: defaultdict[bytes, list[Fact]] = defaultdict(list)

    def add(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._places[fact.record.partition, fact.record.offset].append(fact)
        self.ends[fact.record.partition] = fact.record.offset + 1
        if fact.kind is Kind.GOOD and fact.record.key is not None:
            self._good[fact.record.key].append(fact)

    def at(self, partition: int, offset: int) -> list[Fact]:
        """Return the records of a place: one for each topic that had it."""
        return list(self._places.get((partition, offset), ()))

    def documents(self) -> list[bytes]:
        """Return the keys of which a good record was sent."""
        return list(self._good)

    def good(self, key: bytes) -> list[Fact]:
        """Return the good records of a key, oldest first."""
        return list(self._good.get(key, ()))
