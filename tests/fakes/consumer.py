"""A consumer whose poll plays a script: messages, rebalances, answers to commits. Keeps what it is told to do."""

from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import OFFSET_INVALID, TopicPartition


class FakeMessage:
    """A message of librdkafka; with `failure` it is an error event."""

    def __init__(self, offset: int = 0, partition: int = 0, failure: Any = None, **fields: Any) -> None:
        self._fields = {"key": b"k", "value": b"v", "headers": None, "timestamp": (1, 17)} | fields
        self._place = ("films", partition, offset)
        self._failure = failure

    def error(self) -> Any:
        return self._failure

    def topic(self) -> str:
        return self._place[0]

    def partition(self) -> int:
        return self._place[1]

    def offset(self) -> int:
        return self._place[2]

    def __getattr__(self, name: str) -> Callable[[], Any]:
        return lambda: self._fields[name]


class FakeConsumer:
    """`script` holds what each poll does: a function of the consumer, whose result is the message that came."""

    def __init__(self, script: Iterable[Callable[["FakeConsumer"], Any]]) -> None:
        self.script = list(script)
        self.calls: list[tuple[str, Any]] = []
        self.refusal: Exception | None = None
        self.ready: list[FakeMessage] = []
        self.config: dict[str, Any] = {}
        self.commits: dict[int, tuple[int, str]] = {}
        """What the group has committed before: offset and metadata by partition number."""
        self.callbacks: dict[str, Callable[..., None]] = {}

    def __call__(self, config: dict[str, Any]) -> "FakeConsumer":
        self.config = config
        return self

    def subscribe(self, topics: list[str], **callbacks: Callable[..., None]) -> None:
        self.calls.append(("subscribe", topics))
        self.callbacks = callbacks

    def poll(self, timeout: float) -> FakeMessage | None:
        return self.script.pop(0)(self) if self.script else None

    def consume(self, number: int, timeout: float) -> list[FakeMessage]:
        taken, self.ready = self.ready[:number], self.ready[number:]
        return taken

    def rebalance(self, event: str, *numbers: int) -> None:
        self.callbacks[event](self, [TopicPartition("films", number) for number in numbers])

    def committed(self, positions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [
            TopicPartition(one.topic, one.partition, *self.commits.get(one.partition, (OFFSET_INVALID, "")))
            for one in positions
        ]

    def assign(self, positions: list[TopicPartition]) -> None:
        self.incremental_assign(positions)

    def incremental_assign(self, positions: list[TopicPartition]) -> None:
        self.calls.append(("assign", [(position.partition, position.offset) for position in positions]))

    def pause(self, positions: list[TopicPartition]) -> None:
        self.calls.append(("pause", sorted(position.partition for position in positions)))

    def resume(self, positions: list[TopicPartition]) -> None:
        self.calls.append(("resume", sorted(position.partition for position in positions)))

    def commit(self, offsets: list[TopicPartition], asynchronous: bool) -> None:
        made = [(position.partition, position.offset, position.metadata) for position in offsets]
        self.calls.append(("commit later" if asynchronous else "commit", made))
        if self.refusal is not None:
            raise self.refusal

    def close(self) -> None:
        self.calls.append(("close", None))
