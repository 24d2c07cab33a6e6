"""A record of another topic, packed into a record of ours: what the redrive and the backlog topic hold. Pure.

A dead letter is a parcel too (schemas/dead_letter.json): what it says beside these fields is for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from streamer.intake.decode import Decodes
from streamer.model import Partition, Record, Rejected, Write

MOST = (1 << 63) - 1
Natural = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
Name = Annotated[str, msgspec.Meta(min_length=1)]


class Parcel(msgspec.Struct, frozen=True):
    """A record, and what made its version: the topic's id and epoch; `attempts` were made to index it so far."""

    record: Record
    route: str
    topic_id: str
    epoch: int
    attempts: int = 0


class ParcelError(ValueError):
    """Bytes that are no parcel; the message says why."""


class _Fields(msgspec.Struct, frozen=True):
    """A parcel as it is written; msgspec writes bytes in base64."""

    route: Name
    topic: Name
    topic_id: str
    partition: Natural
    offset: Natural
    epoch: Annotated[int, msgspec.Meta(ge=1, le=MOST)]
    timestamp_ms: Annotated[int, msgspec.Meta(ge=-1, le=MOST)]
    key_base64: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value_base64: bytes | None
    attempts: Natural = 0
    v: Literal[1] = 1


def fields(parcel: Parcel) -> dict[str, Any]:
    """Return `parcel` as JSON values."""
    record = parcel.record
    found: dict[str, Any] = msgspec.to_builtins(
        _Fields(
            parcel.route,
            record.partition.topic,
            parcel.topic_id,
            record.partition.number,
            record.offset,
            parcel.epoch,
            record.timestamp_ms,
            record.key,
            record.headers,
            record.value,
            parcel.attempts,
        )
    )
    return found | {"headers": [list(header) for header in found["headers"]]}


def unpack(value: bytes | None) -> Parcel:
    """Return the parcel that the value of a record holds. Raises ParcelError."""
    try:
        found = msgspec.json.decode(value or b"", type=_Fields)
    except msgspec.DecodeError as error:
        raise ParcelError(f"the value is no parcel: {error}") from error
    except RecursionError as error:
        raise ParcelError("the value is nested too deeply") from error
    record = Record(
        Partition(found.topic, found.partition),
        found.offset,
        found.timestamp_ms,
        found.key_base64,
        found.value_base64,
        found.headers,
    )
    return Parcel(record, found.route, found.topic_id, found.epoch, found.attempts)


def key_of(route: str, document_id: str | None, record: Record) -> bytes | None:
    """Return the key under which a parcel is sent: of its document, or the record's own where no id is known.

    So compaction keeps the newest parcel of a document, and those of one document stay in order.
    """
    return record.key if document_id is None else f"{route}\0{document_id}".encode()


class ParcelDecoder:
    """Turns parcels into the writes that their records asked for, with the id and version that they had then."""

    def __init__(self, decoders: Mapping[str, Decodes], *, owed: bool = False) -> None:
        """Decode the records of a route with its decoder in `decoders`; `owed` marks what the backlog brings."""
        self._decoders, self._owed = decoders, owed

    @property
    def stripped(self) -> int:
        """Fields taken away so far because the processor or the streamer writes them."""
        return sum(decoder.stripped for decoder in self._decoders.values())

    def decode(self, record: Record, epoch: int, generation: int) -> Write | Rejected:
        """Return what the record in the parcel asks for; the parcel's own epoch counts, not that of our topic."""
        del epoch
        try:
            parcel = unpack(record.value)
        except ParcelError as error:
            return Rejected(record, "unreadable", str(error))
        decoder = self._decoders.get(parcel.route)
        if decoder is None:
            detail = f"the record was taken by the route {parcel.route!r}, which the settings lack"
            return Rejected(parcel.record, "unknown_route", detail, via=record)
        found = decoder.decode(parcel.record, parcel.epoch, generation)
        if isinstance(found, Rejected):
            return msgspec.structs.replace(found, via=record)
        found.via, found.attempts, found.owed = record, parcel.attempts, self._owed
        # What is owed its tokens is indexed without any.
        found.unasked = found.unasked and not self._owed
        return found
