"""Bytes to a write: one interface for every format, JSON first. Pure: the same record gives the same answer."""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import orjson

from streamer.intake import identity
from streamer.intake.identity import IdentityError
from streamer.intake.route import Route
from streamer.model import RESERVED, Record, Rejected, Write

Source = dict[str, Any]


class Format(Protocol):
    """A way to read a record's value."""

    def read(self, value: bytes) -> Source:
        """Return the value as a JSON object. Raises FormatError when it is none."""


class FormatError(ValueError):
    """A value that cannot be read; the message says why."""


class Json:
    """Plain JSON objects."""

    def read(self, value: bytes) -> Source:
        """Return the object that `value` holds. Raises FormatError for broken JSON and for anything but an object."""
        try:
            source = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise FormatError(f"the value is not JSON: {error}") from error
        if not isinstance(source, dict):
            raise FormatError(f"the value is JSON, but not an object: {type(source).__name__}")
        return source


class Decoder:
    """Turns the records of one route into writes."""

    def __init__(self, route: Route, form: Format) -> None:
        """Decode for `route` what `form` can read."""
        self._route, self._form = route, form
        self._written = [name.split(".") for name in route.written_by_processor] + [[RESERVED]]
        self._inference = [(field, field.input.split(".")) for field in route.inference]
        self.stripped = 0
        """Fields taken away so far because the processor or the streamer writes them."""

    def decode(self, record: Record, epoch: int, generation: int) -> Write | Rejected:
        """Return what `record` asks for; a record that can never be indexed comes back as Rejected."""
        try:
            return self._decode(record, epoch, generation)
        except FormatError as error:
            return Rejected(record, "unreadable", str(error))
        except IdentityError as error:
            return Rejected(record, "no_identity", str(error))

    def _decode(self, record: Record, epoch: int, generation: int) -> Write | Rejected:
        source = None if record.value is None else self._form.read(record.value)
        version = self._version(record, source, epoch)
        document_id = self._id(record, source, epoch)
        write = Write(self._route.name, record, document_id, version, epoch, generation, None)
        if source is None or not self._passes(source):
            return write
        texts = self._texts(source)
        if isinstance(texts, str):
            return Rejected(record, "not_text", texts)
        self._strip(source)
        write.body = _encode(source)
        if texts:
            write.lane = self._route.deployment
            write.inputs = len(texts)
            write.text_hash = self._hash(texts)
        return write

    def _id(self, record: Record, source: Source | None, epoch: int) -> str:
        kind, _, name = self._route.id_from.partition(":")
        prefix = self._route.id_prefix
        if kind == "field":
            if source is None:
                raise IdentityError(f"a deletion has no field {name!r} to take the id from: use id_from = key")
            return identity.id_of_field(source, name, prefix)
        if kind == "key" and record.key is not None:
            return identity.id_of_key(record.key, prefix)
        if source is None:
            raise IdentityError("the record has neither key nor value")
        return identity.id_of_position(record, epoch, prefix)

    def _version(self, record: Record, source: Source | None, epoch: int) -> int:
        kind, _, name = self._route.version_from.partition(":")
        if kind == "field":
            if source is None:
                raise IdentityError(f"a deletion has no field {name!r} to take the version from: use a header")
            return identity.version_of_value(source.get(name), f"the field {name!r}")
        if kind == "header":
            return identity.version_of_value(dict(record.headers).get(name), f"the header {name!r}")
        return identity.version_of_position(epoch, record.offset)

    def _passes(self, source: Source) -> bool:
        return all(source.get(condition.field) in condition.any_of for condition in self._route.filters)

    def _texts(self, source: Source) -> list[tuple[str, str, str]] | str:
        """Return (input, output, text) for each text to infer, or what is wrong with one."""
        texts = []
        blank = []
        for field, path in self._inference:
            value = _lookup(source, path)
            if value is not None and not isinstance(value, str):
                return f"the field {field.input!r} holds {type(value).__name__} where a text is to be encoded"
            if value and value.strip():
                texts.append((field.input, field.output, value))
            else:
                blank.append(path)
        for path in blank if texts else ():
            # Beside another text it would pass the pipeline, which would spend an inference on it.
            _remove(source, path)
        return texts

    def _strip(self, source: Source) -> None:
        self.stripped += sum(_remove(source, path) for path in self._written)

    def _hash(self, texts: list[tuple[str, str, str]]) -> str:
        digest = hashlib.blake2b(self._route.fingerprint, digest_size=16)
        digest.update(orjson.dumps(texts))
        return digest.hexdigest()


def _encode(source: Source) -> bytes:
    try:
        return orjson.dumps(source)
    except (orjson.JSONEncodeError, RecursionError) as error:
        raise FormatError(f"the value cannot be written as JSON again: {error}") from error


def _lookup(source: Source, path: list[str]) -> object:
    value: object = source
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _remove(source: Source, path: list[str]) -> bool:
    """Take a field away, written as an object in an object or with its dots; return whether it was there."""
    dotted = len(path) > 1 and source.pop(".".join(path), None) is not None
    inner: Any = source
    for name in path[:-1]:
        inner = inner.get(name) if isinstance(inner, dict) else None
    return (isinstance(inner, dict) and inner.pop(path[-1], None) is not None) or dotted
