"""A producer that keeps what it is given; `failure` refuses what must be acknowledged."""

from dataclasses import dataclass, field
from typing import Any

import orjson

from streamer.errors import KafkaError


@dataclass
class FakeProducer:
    failure: KafkaError | None = None
    records: list[tuple[str, bytes | None, bytes]] = field(default_factory=list)

    async def send(self, topic: str, key: bytes | None, value: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.records.append((topic, key, value))

    def post(self, topic: str, key: bytes | None, value: bytes) -> None:
        self.records.append((topic, key, value))

    def values(self, topic: str) -> list[dict[str, Any]]:
        return [orjson.loads(value) for name, _, value in self.records if name == topic]
