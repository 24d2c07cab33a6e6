"""Dead letters as `streamer dlq` sees them: what is read of one, and which are wanted. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from streamer.delivery.fingerprint import fingerprint
from streamer.errors import InputError
from streamer.intake.parcel import key_of
from streamer.model import Partition, Record

UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
AGE = re.compile(r"(\d{1,6})([smhd])")
PLACE = re.compile(r"(.+)-(\d{1,10})@(\d{1,18})")


class _Fields(msgspec.Struct, frozen=True):
    reason: str
    detail: str
    stage: str
    route: str
    topic: str
    at_ms: int
    id: str | None = None
    fingerprint: str = ""


class Letter(msgspec.Struct, frozen=True):
    """A dead letter in its topic: `carrier` is its own record, `fields` what is read of the value."""

    carrier: Record
    fields: _Fields

    @property
    def place(self) -> str:
        """Where it lies: TOPIC-PARTITION@OFFSET."""
        return f"{self.carrier.partition}@{self.carrier.offset}"

    @property
    def fault(self) -> str:
        """Its fingerprint; letters of older versions have none, so it is worked out."""
        found = self.fields
        return found.fingerprint or fingerprint(found.route, found.stage, found.reason, found.detail)

    @property
    def key(self) -> bytes | None:
        """The key under which it is sent back; a dead letter has its record's own key."""
        return key_of(self.fields.route, self.fields.id, self.carrier)


def letter_of(record: Record) -> Letter | None:
    """Return the dead letter in `record`; None when it holds something else."""
    try:
        return Letter(record, msgspec.json.decode(record.value or b"", type=_Fields))
    except (msgspec.DecodeError, RecursionError):
        return None


class Wanted(msgspec.Struct, frozen=True):
    """Which dead letters are meant; a filter that is None lets all pass. Times are in milliseconds since 1970."""

    reason: str | None = None
    fingerprint: str | None = None
    route: str | None = None
    topic: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def matches(self, letter: Letter) -> bool:
        """Return whether `letter` is meant; `since` is part of the time, `until` is not."""
        found = letter.fields
        named = ((self.reason, found.reason), (self.route, found.route), (self.topic, found.topic))
        return (
            all(name in {None, value} for name, value in named)
            and (self.fingerprint is None or self.fingerprint == letter.fault)
            and (self.since_ms is None or self.since_ms <= found.at_ms)
            and (self.until_ms is None or found.at_ms < self.until_ms)
        )

    def or_all(self, everything: bool) -> Wanted:  # noqa: FBT001 - a flag of the command line
        """Return the same. Raises InputError unless there is a filter, or `everything` and none."""
        if everything == (self != Wanted()):
            raise InputError(
                "--all and a filter contradict each other: leave one out"
                if everything
                else "which dead letters? Name a filter (--fingerprint, --reason, --since, ...), or --all"
            )
        return self


def moment(text: str, now_ms: int) -> int:
    """Return the time that an age (`45s`, `30m`, `2h`, `3d`) or an ISO time means, in milliseconds since 1970.

    An ISO time without an offset is in UTC. Raises InputError.
    """
    if age := AGE.fullmatch(text.strip()):
        return now_ms - int(age[1]) * UNITS_MS[age[2]]
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InputError(f"the time {text!r} is neither an ISO time nor an age such as 45s, 30m, 2h or 3d") from error
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1_000)


def at(ms: int) -> str:
    """Return a time in milliseconds since 1970 as people read it, in UTC."""
    try:
        return f"{datetime.fromtimestamp(ms / 1_000, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return f"{ms} ms"


def place_of(text: str) -> tuple[Partition, int]:
    """Return partition and offset in TOPIC-PARTITION@OFFSET. Raises InputError."""
    found = PLACE.fullmatch(text)
    if found is None:
        raise InputError(f"{text!r} is no place such as streamer-dead-letters-0@17, which `streamer dlq list` prints")
    return Partition(found[1], int(found[2])), int(found[3])


def readable(value: bytes) -> dict[str, Any]:
    """Return a dead letter with key, value and headers as text where they are text. Raises InputError if it is none."""
    try:
        letter: dict[str, Any] = orjson.loads(value)
        key, body = _decoded(letter, "key"), _decoded(letter, "value")
        headers = [{"name": name} | _decoded({"value_base64": text}, "value") for name, text in letter["headers"]]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError("the record there is no dead letter") from error
    rest = {name: field for name, field in letter.items() if name not in {"key_base64", "value_base64", "headers"}}
    return rest | key | {"headers": headers} | body


def printable(text: str) -> str:
    """Return `text` without what could move a terminal's cursor or end a line."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)


def _decoded(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    given = fields[f"{name}_base64"]
    if given is None:
        return {name: None}
    content = base64.b64decode(given, validate=True)
    try:
        return {name: content.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": given}
