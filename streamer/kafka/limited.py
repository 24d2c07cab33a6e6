"""A source that takes given partitions up to given offsets, without being a member of the group."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import OFFSET_STORED, Message, TopicPartition
from confluent_kafka import KafkaError as ClientError

from streamer.errors import StateError
from streamer.kafka.admin import commits_of
from streamer.kafka.messages import place_of, record_of, usable
from streamer.kafka.source import Directive, Handler, Source
from streamer.kafka.statistics import Statistics
from streamer.model import Partition, Record
from streamer.settings import KafkaSettings


class Limited(Source):
    """Begins at the group's commits and commits for it, which Kafka allows while the group has no member."""

    def __init__(
        self, settings: KafkaSettings, ends: Mapping[Partition, int], handler: Handler, statistics: Statistics
    ) -> None:
        """Prepare to take the records before `ends` for `handler`."""
        super().__init__(settings, [], handler, statistics)
        self._ends = dict(ends)
        self._open = set(ends)
        self.reached = asyncio.Event()
        """Set when every record before the ends was taken; `stop` is for who knows that they are done."""

    def _configuration(self) -> dict[str, Any]:
        wanted = super()._configuration() | {"enable.partition.eof": True}
        wanted.pop("group.instance.id", None)
        return wanted

    def _begin(self) -> None:
        partitions = sorted(self._ends)
        committed = commits_of(self._consumer, partitions)
        self._assigned |= set(partitions)
        starts = self._ask(self._handler.assigned(partitions, committed))
        self._consumer.assign([TopicPartition(*one, starts.get(one, OFFSET_STORED)) for one in partitions])
        positions = {one: commit.offset for one, commit in committed.items() if one not in starts}
        self._pass(one for one in partitions if positions.get(one, 0) >= self._ends[one])

    def _take(self) -> list[Record]:
        messages = self._messages()
        self._pass(place_of(message) for message in messages if _is_end(message))
        records = [record_of(message) for message in messages if not _is_end(message) and usable(message)]
        self._pass(record.partition for record in records if record.offset >= self._ends[record.partition])
        return [record for record in records if record.offset < self._ends[record.partition]]

    def _pass(self, partitions: Iterable[Partition]) -> None:
        passed = self._open.intersection(partitions)
        if passed:
            self._open -= passed
            self._consumer.pause([TopicPartition(*partition) for partition in passed])

    def _obey(self, directive: Directive) -> None:
        super()._obey(directive)
        # Only now: the handler has booked what was taken last.
        if not self._open:
            self._loop.call_soon_threadsafe(self.reached.set)

    def _renew(self, topics: frozenset[str]) -> None:
        names = ", ".join(sorted(topics))
        raise StateError(f"{names} was deleted or made again while it was drained: there is nothing left to drain")


def _is_end(message: Message) -> bool:
    error = message.error()
    return error is not None and error.code() == ClientError._PARTITION_EOF
