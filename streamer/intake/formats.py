"""What a record says, in each format that a topic may have: which row changed and what it is now. Pure.

A Debezium event is `{"before", "after", "op", "source", "ts_ms"}`, or the same as `payload` beside its `schema` where
the JsonConverter has `schemas.enable`. Operations: `r` (read by a snapshot), `c`, `u`, `d`, `t` (truncate, without a
key), `m` (a message in the log), `n`, `cmd`. The key is a struct of the primary key's columns. A deletion is told
twice: as `d`, then as a tombstone, a null value, unless the connector has `tombstones.on.delete = false`. What
`before` holds depends on the table's REPLICA IDENTITY, by default the key's columns only.

Sources: debezium-core, io.debezium.data.Envelope; Debezium's documentation of the PostgreSQL connector, "Data change
events" and "Toasted values"; Kafka's JsonConverter.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec
import orjson

from streamer.model import Record

Source = dict[str, Any]

UNKNOWN = "__debezium_unavailable_value"
"""Stands for a value that the database did not tell; the default of `unavailable.value.placeholder`."""

STATES, DELETION = frozenset("cur"), "d"


class FormatError(ValueError):
    """A record that cannot be read; the message says why."""


class Change(msgspec.Struct, gc=False):
    """What a record says: `document` is the new state, None for a deletion.

    `key` is what the document's id is made from. `row` holds the columns that tell which row it is: of the document,
    or what is left of a deleted one. `envelope` is what stands around the document.
    """

    document: Source | None
    key: bytes | None
    row: Source
    envelope: Source


class Format(Protocol):
    """A way to read records."""

    def read(self, record: Record) -> Change:
        """Return what `record` says. Raises FormatError when it cannot be read."""


class Json:
    """Plain JSON objects under keys that are taken as they are; a record without a value is a deletion."""

    def read(self, record: Record) -> Change:
        """Return the object that the value holds. Raises FormatError for broken JSON and for anything but an object."""
        if record.value is None:
            return Change(None, record.key, {}, {})
        source = _object(record.value)
        return Change(source, record.key, source, {})


class Debezium:
    """Debezium's change events as JSON, with or without schemas."""

    def read(self, record: Record) -> Change:
        """Return the change. Raises FormatError for what is no event, and for events that are about no row."""
        key, columns = _key_of(record.key)
        envelope = None if record.value is None else _unwrapped(_object(record.value))
        if envelope is None:
            return Change(None, key, columns, {})
        if not isinstance(envelope, dict):
            raise FormatError(f"the payload is no change event, but {type(envelope).__name__}")
        operation = envelope.get("op")
        if operation == DELETION:
            before = envelope.get("before")
            # The key is always whole; `before` may hold nulls for what the database did not tell.
            return Change(None, key, (before | columns) if isinstance(before, dict) else columns, envelope)
        if not isinstance(operation, str) or operation not in STATES:
            raise FormatError(_no_state(envelope))
        document = _state(envelope.get("after"), operation)
        return Change(document, key, document, envelope)


FORMATS: dict[str, type[Json | Debezium]] = {"json": Json, "debezium": Debezium}
"""By their names in the settings."""


def _object(value: bytes) -> Source:
    try:
        source = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise FormatError(f"the value is not JSON: {error}") from error
    if not isinstance(source, dict):
        raise FormatError(f"the value is JSON, but not an object: {type(source).__name__}")
    return source


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - whatever the JSON holds
    """Return the payload of what a JsonConverter wrote with its schema, and anything else as it is."""
    return value["payload"] if isinstance(value, dict) and value.keys() == {"schema", "payload"} else value


def _no_state(envelope: Source) -> str:
    if "op" not in envelope:
        return "the value is no Debezium event, it has no `op`: a topic of unwrapped rows has the format json"
    meaning = {"t": " (truncate)", "m": " (message)"}.get(str(envelope["op"]), "")
    return f"the operation {envelope['op']!r}{meaning} is about no single row: only c, u, r and d are"


def _state(after: object, operation: str) -> Source:
    if isinstance(after, str):
        msg = "`after` is a text, as MongoDB's connector sends it: let ExtractNewDocumentState unwrap it, format json"
        raise FormatError(msg)
    if not isinstance(after, dict):
        raise FormatError(f"an event of the operation {operation!r} has no object in `after`")
    for name, value in after.items():
        if value in (UNKNOWN, [UNKNOWN]):
            raise FormatError(
                f"the column {name!r} holds Debezium's word for a value that it was not told: give the table REPLICA"
                " IDENTITY FULL, or the connector the column reselector"
            )
    return after


def _key_of(key: bytes | None) -> tuple[bytes | None, Source]:
    """Return what the id is made from, and the columns.

    One column that is a text or a whole number gives its value as text, several give their canonical JSON; what is no
    struct of such values is taken as it is. So keys of one table have different ids.
    """
    if not key:
        return key, {}
    try:
        columns = _unwrapped(orjson.loads(key))
    except orjson.JSONDecodeError:
        return key, {}
    if not isinstance(columns, dict):
        return (key if columns is None else _text(columns) or key), {}
    text = _text(*columns.values()) if len(columns) == 1 else None
    # A text that looks like the JSON of columns must not be taken for them.
    if text is not None and not text.startswith(b"{"):
        return text, columns
    # A float may be a whole number that was too long: the JSON that is given tells more of these apart.
    plain = all(value is None or isinstance(value, str | int) for value in columns.values())
    return (orjson.dumps(columns, option=orjson.OPT_SORT_KEYS) if plain else key), columns


def _text(value: object) -> bytes | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).encode()
