"""A Kafka that is asked about topics and groups: what a test puts into it."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from streamer.kafka.admin import Topic
from streamer.model import Partition


@dataclass
class FakeAdmin:
    """`found` are topics by name, `first` and `ends` offsets by partition, `at` those of a moment, 0, 0 and -1 else."""

    found: dict[str, Topic] = field(default_factory=dict)
    first: dict[Partition, int] = field(default_factory=dict)
    ends: dict[Partition, int] = field(default_factory=dict)
    at: dict[Partition, int] = field(default_factory=dict)
    group: list[dict[str, Any]] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)
    failure: Exception | None = None

    def topics(self, names: Iterable[str]) -> dict[str, Topic]:
        if self.failure is not None:
            raise self.failure
        return {name: self.found[name] for name in names if name in self.found}

    def offsets(self, partitions: Iterable[Partition], *, end: bool) -> dict[Partition, int]:
        known = self.ends if end else self.first
        return {partition: known.get(partition, 0) for partition in partitions}

    def offsets_at(self, partitions: Iterable[Partition], at_ms: int) -> dict[Partition, int]:
        self.moments.append(at_ms)
        return {partition: self.at.get(partition, -1) for partition in partitions}

    def members(self, group: str) -> list[dict[str, Any]]:
        return self.group
