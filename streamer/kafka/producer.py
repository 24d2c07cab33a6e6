"""Producing: `send` waits for the acknowledgement, `post` does not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException, Message
from confluent_kafka import Producer as ClientProducer

from streamer import logs
from streamer.clock import SystemClock
from streamer.errors import KafkaError
from streamer.kafka.client import ours
from streamer.kafka.client import producer as configuration
from streamer.kafka.complaints import Complaints
from streamer.settings import KafkaSettings

POLL_SECONDS = 0.1
FLUSH_SECONDS = 10.0
FULL_SECONDS = 0.05

Headers = Sequence[tuple[str, str | bytes | None]]
log = logs.get("kafka")


class Producer:
    """An idempotent producer whose acknowledgements arrive on the event loop."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Start the producer and the thread that collects acknowledgements."""
        complaints = Complaints("producer", SystemClock())
        self._producer = ClientProducer(configuration(settings) | {"error_cb": complaints.hear})
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)
        self._thread.start()

    async def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
        """Produce and wait until all in-sync replicas have the record. Raises KafkaError when they never will."""
        await (await self.begin(topic, key, value, headers))

    async def begin(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()
    ) -> asyncio.Future[None]:
        """Produce once there is room in the queue, and return the acknowledgement to wait for.

        Records begun one after the other keep their order within a partition. The future raises KafkaError.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def delivered(error: ClientError | None, _: Message) -> None:
            failure = None if error is None else ours(error, f"producing to {topic}")
            loop.call_soon_threadsafe(_settle, done, failure)

        while not self._produce(topic, key, value, headers, delivered):  # noqa: ASYNC110 - the queue tells nobody
            await asyncio.sleep(FULL_SECONDS)
        return done

    def post(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Produce without waiting; a record that does not arrive is logged, not raised."""

        def delivered(error: ClientError | None, _: Message) -> None:
            if error is not None:
                log.warning("event not delivered", topic=topic, error=error.str())

        if not self._produce(topic, key, value, (), delivered):
            log.warning("event not delivered", topic=topic, error="the producer's queue is full")

    async def close(self) -> None:
        """Wait for what is under way, then stop."""
        left = await asyncio.to_thread(self._producer.flush, FLUSH_SECONDS)
        self._closing.set()
        await asyncio.to_thread(self._thread.join)
        if left:
            log.warning("events not delivered", records=left)

    def _produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        delivered: Callable[[ClientError | None, Message], None],
    ) -> bool:
        try:
            self._producer.produce(topic, key=key, value=value, headers=list(headers), on_delivery=delivered)
        except BufferError:
            return False
        except KafkaException as error:
            raise ours(error, f"producing to {topic}") from error
        return True

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(POLL_SECONDS)


def _settle(done: asyncio.Future[None], error: KafkaError | None) -> None:
    if done.cancelled():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
