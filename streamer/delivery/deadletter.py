"""Dead letters: what can never be indexed, kept whole with its reason, and acknowledged before its offset moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from streamer import failpoints, logs
from streamer.batching.books import Books
from streamer.batching.lease import Lease
from streamer.clock import Clock
from streamer.delivery.fingerprint import fingerprint
from streamer.delivery.fuse import Fuse
from streamer.delivery.outcome import Verdict
from streamer.errors import DeadLetterUndelivered, KafkaError, TooManyDeadLetters
from streamer.intake.parcel import Parcel, fields, unpack
from streamer.kafka.producer import Producer
from streamer.model import Record, Rejected, Write

log = logs.get("deadletter")


class Reason(msgspec.Struct, frozen=True):
    """Why a record can never be indexed: a word for counting, a sentence, the stage that said so, and the tries."""

    reason: str
    detail: str
    stage: str
    attempts: int = 0


class Origin(msgspec.Struct, frozen=True):
    """What is known of a record beside itself; `id` and `version` are None when decoding failed before them."""

    route: str
    topic_id: str
    epoch: int
    id: str | None = None
    version: int | None = None


def envelope(record: Record, reason: Reason, origin: Origin) -> dict[str, Any]:
    """Return the dead letter for `record`, as in schemas/dead_letter.json, without time and instance."""
    parcel = Parcel(record, origin.route, origin.topic_id, origin.epoch, reason.attempts)
    fault = fingerprint(origin.route, reason.stage, reason.reason, reason.detail)
    return {"fingerprint": fault} | msgspec.structs.asdict(reason) | msgspec.structs.asdict(origin) | fields(parcel)


class DeadLetters:
    """The dead-letter topic."""

    def __init__(self, producer: Producer, topic: str, instance: str, clock: Clock, fuse: Fuse) -> None:
        """Write to `topic` in the name of `instance`, until `fuse` says that it is enough."""
        self._producer, self._topic, self._instance, self._clock = producer, topic, instance, clock
        self._fuse = fuse

    async def put(self, record: Record, reason: Reason, origin: Origin) -> None:
        """Deliver the dead letter of `record`.

        Raises DeadLetterUndelivered if it is not acknowledged, TooManyDeadLetters before it is sent.
        """
        letter = envelope(record, reason, origin) | {"at_ms": self._clock.now_ms(), "instance": self._instance}
        place = f"{record.partition} at {record.offset}"
        if broken := self._fuse.count():
            raise TooManyDeadLetters(
                f"{broken} would be dead letters, the next is {place} of route {origin.route!r} ({reason.reason}: "
                f"{reason.detail}): nothing is lost and it is not committed; mend what refuses them, or raise "
                "limits.dead_letters_per_minute or limits.dead_letters_per_run"
            )
        failpoints.reach("letter.before")
        try:
            await self._producer.send(self._topic, record.key, orjson.dumps(letter))
        except KafkaError as error:
            raise DeadLetterUndelivered(f"the dead letter of {place} was not acknowledged: {error}") from error
        failpoints.reach("letter.acknowledged")
        log.warning("dead letter", record=place, reason=reason.reason, detail=reason.detail, route=origin.route)


class Burial:
    """Buries writes and records: first the dead letter, then, when it is acknowledged, the books."""

    def __init__(self, letters: DeadLetters, books: Books, topic_ids: Mapping[str, str]) -> None:
        """Deliver with `letters`; `topic_ids` gives the Kafka topic id of each topic."""
        self._letters, self._books, self._topic_ids = letters, books, topic_ids

    async def of_write(self, write: Write, verdict: Verdict) -> None:
        """Bury a write that Elasticsearch refuses for good; the older one that it stood for is written after all."""
        reason = Reason(verdict.reason, verdict.detail, "delivery", write.attempts + 1)
        origin = Origin(write.route, self.topic_id(write), write.epoch, write.id, write.version)
        await self._letters.put(write.record, reason, origin)
        self._books.refused(write)

    async def of_rejected(self, rejected: Rejected, lease: Lease) -> None:
        """Bury a record that cannot be decoded."""
        origin, attempts = _origin_and_attempts(rejected, lease)
        reason = Reason(rejected.reason, rejected.detail, "intake", attempts)
        await self._letters.put(rejected.record, reason, origin)
        self._books.rejected(rejected.carrier, lease.origin.route, lease.generation)

    def topic_id(self, write: Write) -> str:
        """Return the id of the topic whose record `write` is about; one that came in a parcel brought it along."""
        if write.via is not None:
            return unpack(write.via.value).topic_id
        return self._topic_ids.get(write.record.partition.topic, "")


def _origin_and_attempts(rejected: Rejected, lease: Lease) -> tuple[Origin, int]:
    """Return where a rejected record came from: what its parcel says, if it came in one."""
    if rejected.via is None:
        place = rejected.record
        epoch = lease.origin.timeline.epoch_at(place.partition.number, place.offset)
        return Origin(lease.origin.route, lease.origin.topic_id, epoch), 0
    parcel = unpack(rejected.via.value)
    return Origin(parcel.route, parcel.topic_id, parcel.epoch), parcel.attempts
