"""Whether the records of a partition follow each other, and what it means when they do not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from streamer import logs
from streamer.errors import KafkaError
from streamer.metrics import SKIPPED
from streamer.model import Partition, Record
from streamer.runtime import Runtime

log = logs.get("desk")


class Facts(Protocol):
    """What Kafka says of topics when it is asked."""

    async def is_another(self, topic: str) -> bool:
        """Return whether `topic` has been made again, or is gone, since its partitions were taken on."""

    async def first_offset(self, partition: Partition) -> int:
        """Return the first offset that Kafka still has."""


class Continuity:
    """The offset that each partition's next record should have.

    A record before it shows a topic that was made again, because librdkafka goes on at the start of one without a
    word. One after it is common (compaction, transactions), but may also show that retention took records that nobody
    had read.
    """

    def __init__(self, facts: Facts, runtime: Runtime, seconds: float) -> None:
        """Ask `facts`, of each partition at most every `seconds` what retention took."""
        self._facts, self._meter, self._clock, self._seconds = facts, runtime.meter, runtime.clock, seconds
        self._expected: dict[Partition, int] = {}
        self._asked: dict[Partition, float] = {}

    def begin(self, partition: Partition, offset: int | None) -> None:
        """Expect `offset` next; None if any may come."""
        self._expected.pop(partition, None)
        self._asked.pop(partition, None)
        if offset is not None:
            self._expected[partition] = offset

    def forget(self, partitions: Iterable[Partition]) -> None:
        """Expect nothing of `partitions`."""
        for partition in partitions:
            self.begin(partition, None)

    def follow(self, run: Sequence[Record]) -> bool:
        """Return whether `run`, of one partition, is what was expected, without a gap; if so, expect what is after it.

        One or more records.
        """
        partition, first = run[0].partition, run[0].offset
        after = first + len(run)
        if self._expected.get(partition, first) != first or [one.offset for one in run] != list(range(first, after)):
            return False
        self._expected[partition] = after
        return True

    async def is_another(self, record: Record) -> bool:
        """Return whether `record`, which does not follow, comes of a topic that was made again.

        If it does not, expect the one after it. Raises KafkaError.
        """
        partition, expected = record.partition, self._expected[record.partition]
        if record.offset < expected and await self._facts.is_another(partition.topic):
            return True
        if record.offset > expected:
            await self._count_skipped(record, expected)
        self._expected[partition] = record.offset + 1
        return False

    async def _count_skipped(self, record: Record, expected: int) -> None:
        """Count what lies before the first offset that there still is; the rest of the gap held no records."""
        partition, now = record.partition, self._clock.monotonic()
        if now - self._asked.get(partition, -self._seconds) < self._seconds:
            return
        self._asked[partition] = now
        try:
            first = await self._facts.first_offset(partition)
        except KafkaError as error:
            log.warning("cannot tell whether records were skipped", partition=str(partition), error=str(error))
            return
        if (skipped := min(first, record.offset) - expected) > 0:
            self._meter.add(SKIPPED, partition.topic, str(partition.number), amount=skipped)
            log.warning(
                "retention took records before they were read", partition=str(partition), offset=expected, count=skipped
            )
