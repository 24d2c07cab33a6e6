"""librdkafka's own statistics, as of the last second (STATISTICS.md of librdkafka)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from streamer.model import Partition

Json = dict[str, Any]


class Statistics:
    """The latest statistics of a consumer; empty until the first ones came."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._latest: Json = {}

    def learn(self, text: str) -> None:
        """Take new statistics, as librdkafka gives them."""
        self._latest = orjson.loads(text)

    @property
    def fetched_bytes(self) -> int:
        """Bytes of messages fetched since start, refetches included."""
        return int(self._latest.get("rxmsg_bytes", 0))

    def partitions(self) -> Iterator[tuple[Partition, Json]]:
        """Return what is known of each partition, ours or not."""
        for topic, entry in self._latest.get("topics", {}).items():
            for number, partition in entry.get("partitions", {}).items():
                yield Partition(topic, int(number)), partition

    def log_end(self, partition: Partition) -> int | None:
        """Return the offset that the next record of `partition` gets, as far as is known."""
        topic = self._latest.get("topics", {}).get(partition.topic, {})
        end: int = topic.get("partitions", {}).get(str(partition.number), {}).get("hi_offset", -1)
        return end if end >= 0 else None
