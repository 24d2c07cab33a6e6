"""The door to Kafka: follows the progress events and asks where topics end. It is no member of any group."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from search_api.freshness.log import Bounds, Sample
from streamer import logs
from streamer.clock import Clock, SystemClock
from streamer.errors import KafkaError
from streamer.kafka.admin import Admin, Topic
from streamer.kafka.client import connection, ours
from streamer.kafka.complaints import Complaints
from streamer.kafka.messages import record_of, usable
from streamer.model import Partition
from streamer.settings import KafkaConnectionSettings

POLL_SECONDS = 0.1
BATCH = 200
LOOK_SECONDS = 5.0
"""Time between two looks whether the topic is still the same."""

Take = Callable[[Sequence[bytes]], None]
log = logs.get("kafka")


class KafkaDoor:
    """The real one; see `freshness.watch.Door`."""

    def __init__(self, settings: KafkaConnectionSettings, progress: str, clock: Clock) -> None:
        """Prepare to follow the topic `progress`."""
        self._settings, self._progress, self._clock = settings, progress, clock
        self._admin = Admin(settings)

    async def sample(self, topics: Iterable[str]) -> Sample:
        """Return what Kafka says of `topics` now. Raises KafkaError."""
        return await asyncio.to_thread(self._sample, sorted(topics))

    def _sample(self, names: Sequence[str]) -> Sample:
        at, before = self._clock.monotonic(), self._admin.topics(names)
        places = [Partition(topic.name, number) for topic in before.values() for number in range(topic.partitions)]
        lows, highs = self._admin.offsets(places, end=False), self._admin.offsets(places, end=True)
        # Only what is the same topic before and after has these offsets.
        after = self._admin.topics(names)
        ids = {name: topic.id for name, topic in after.items()}
        same = [place for place in places if ids.get(place.topic) == before[place.topic].id]
        return Sample(at, ids, {place: Bounds(min(lows[place], highs[place]), highs[place]) for place in same})

    async def follow(self, take: Take) -> None:
        """Hand every progress event to `take`, from the first that there is, until cancelled.

        It begins again when the topic was made again or got partitions, and after a failure.
        """
        while True:
            topic = await self._look()
            if topic is None:
                await self._clock.sleep(LOOK_SECONDS)
                continue
            follower = Follower(self._settings, topic, take)
            try:
                while follower.alive and await self._look() in {topic, None}:
                    await self._clock.sleep(LOOK_SECONDS)
            finally:
                await follower.stop()

    async def _look(self) -> Topic | None:
        try:
            found = await asyncio.to_thread(self._admin.topics, [self._progress])
        except KafkaError as error:
            log.warning("cannot look at the topic of progress", topic=self._progress, error=str(error))
            return None
        if self._progress not in found:
            log.warning("there is no topic of progress now, waiting for it", topic=self._progress)
        return found.get(self._progress)


class Follower:
    """A thread that reads a topic from its beginning and goes on; bounded by one batch and librdkafka's small queue."""

    def __init__(self, settings: KafkaConnectionSettings, topic: Topic, take: Take) -> None:
        """Begin at once, and call `take` on the running loop."""
        self._settings, self._topic, self._give = settings, topic, take
        self._loop = asyncio.get_running_loop()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-progress", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it still reads."""
        return self._thread.is_alive()

    async def stop(self) -> None:
        """End it."""
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            self._read()
        except (KafkaException, KafkaError) as error:
            said = ours(error, "following progress") if isinstance(error, KafkaException) else error
            log.warning("progress is not followed, beginning again", error=str(said))

    def _read(self) -> None:
        consumer = Consumer(self._configuration())
        try:
            numbers = range(self._topic.partitions)
            consumer.assign([TopicPartition(self._topic.name, number, OFFSET_BEGINNING) for number in numbers])
            while not self._stopping.is_set():
                if values := self._values(consumer):
                    asyncio.run_coroutine_threadsafe(self._hand_over(values), self._loop).result()
        finally:
            consumer.close()

    def _values(self, consumer: Consumer) -> list[bytes]:
        first = consumer.poll(POLL_SECONDS)
        messages = [] if first is None else [first, *consumer.consume(BATCH, 0)]
        values = [record_of(message).value for message in messages if usable(message)]
        return [value for value in values if value is not None]

    async def _hand_over(self, values: Sequence[bytes]) -> None:
        self._give(values)

    def _configuration(self) -> dict[str, object]:
        return connection(self._settings) | {
            # librdkafka wants a name, although nothing joins or commits.
            "group.id": f"{self._settings.client_id}-progress",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "queued.max.messages.kbytes": 1_024,
            "fetch.wait.max.ms": 50,
            "error_cb": Complaints("progress", SystemClock()).hear,
        }
