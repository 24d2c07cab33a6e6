"""From a record to a write, whatever the topic's format. Pure: the same record gives the same answer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Protocol

import orjson

from streamer.intake import identity
from streamer.intake.formats import Change, Format, FormatError, Source
from streamer.intake.identity import IdentityError
from streamer.intake.route import Route
from streamer.model import RESERVED, Record, Rejected, Write

METADATA = frozenset(
    {
        "_id",
        "_index",
        "_routing",
        "_type",
        "_version",
        "_version_type",
        "_op_type",
        "_dynamic_templates",
        "_if_seq_no",
        "_if_primary_term",
    }
)
"""What an ingest pipeline knows a document by: as fields of one, they make the whole request fail with 400.

Source: es `IngestDocument.Metadata`; `_id` and `_version` tried on the core of 9.1. MongoDB's documents have one.
"""


class Decodes(Protocol):
    """What turns the records of a topic into writes."""

    @property
    def stripped(self) -> int:
        """Fields taken away so far because the processor or the streamer writes them."""

    def decode(self, record: Record, epoch: int, generation: int) -> Write | Rejected:
        """Return what `record` asks for; a record that can never be indexed comes back as Rejected."""


class Decoder:
    """Turns the records of one route into writes."""

    def __init__(self, route: Route, form: Format) -> None:
        """Decode for `route` what `form` can read."""
        self._route, self._form = route, form
        self._id_kind, _, self._id_name = route.id_from.partition(":")
        self._version_kind, _, self._version_name = route.version_from.partition(":")
        self._written = (*route.written_by_processor, RESERVED, *METADATA)
        self._heads = frozenset(path.partition(".")[0] for path in self._written)
        self._inputs = frozenset(name for field in route.inference for name in _beginnings(field.input))
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
        except RecursionError:
            return Rejected(record, "unreadable", "the value is nested too deeply")

    def _decode(self, record: Record, epoch: int, generation: int) -> Write | Rejected:
        change = self._form.read(record)
        source = change.document
        version = self._version(record, change, epoch)
        document_id = self._id(record, change, epoch)
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
            write.unasked = not self._route.reuse.off
        return write

    def _id(self, record: Record, change: Change, epoch: int) -> str:
        prefix = self._route.id_prefix
        if self._id_kind == "field":
            if change.document is None and self._id_name not in change.row:
                name = self._id_name
                raise IdentityError(f"a deletion has no field {name!r} to take the id from: use id_from = key")
            return identity.id_of_field(change.row, self._id_name, prefix)
        if self._id_kind == "key" and change.key is not None:
            return identity.id_of_key(change.key, prefix)
        if change.document is None:
            raise IdentityError("a deletion without a key does not say what to delete")
        return identity.id_of_position(record, epoch, prefix)

    def _version(self, record: Record, change: Change, epoch: int) -> int:
        kind, name = self._version_kind, self._version_name
        if kind == "position":
            return identity.version_of_position(epoch, record.offset)
        if kind == "header":
            return identity.version_of_value(dict(record.headers).get(name), f"the header {name!r}")
        if kind == "envelope":
            if record.value is None:
                msg = f"a tombstone has no {name!r} to take the version from: set tombstones.on.delete = false"
                raise IdentityError(f"{msg} in the connector, its event `d` deletes")
            return identity.version_of_value(_within(change.envelope, name), f"{name!r} of the envelope")
        if change.document is None:
            # What is left of a deleted row has the version of the state that is to go.
            raise IdentityError(f"a deletion has no newer {name!r} to take the version from: use a header or envelope")
        return identity.version_of_value(change.document.get(name), f"the field {name!r}")

    def _passes(self, source: Source) -> bool:
        return not self._route.filters or all(
            any(_is_one_of(node[name], condition.any_of) for node, name in _places(source, condition.field))
            for condition in self._route.filters
        )

    def _texts(self, source: Source) -> list[tuple[str, str, str]] | str:
        """Return (input, output, text) for each text to infer, or what is wrong with one."""
        if self._inputs.isdisjoint(source):
            return []
        texts, blank = [], []
        for field in self._route.inference:
            places = [(node, name) for node, name in _places(source, field.input) if node[name] is not None]
            wrong = _no_text([node[name] for node, name in places])
            if wrong:
                return f"the field {field.input!r} holds {wrong} where one text is to be encoded"
            text = _move(source, field.input, places[0]) if places else ""
            if text is None:
                return f"the field {field.input!r} stands beside a value that is no object"
            if text.strip():
                texts.append((field.input, field.output, text))
            else:
                blank.append(field.input)
        for path in blank if texts else ():
            # Beside another text it would pass the pipeline, which would spend an inference on it.
            for node, name in list(_places(source, path)):
                del node[name]
        return texts

    def _strip(self, source: Source) -> None:
        # Hardly any record brings such a field: one look at the names spares the search.
        if not self._heads.isdisjoint(source) or "." in "".join(source):
            self.stripped += sum(_strip(source, path) for path in self._written)

    def _hash(self, texts: list[tuple[str, str, str]]) -> str:
        digest = hashlib.blake2b(self._route.fingerprint, digest_size=16)
        digest.update(orjson.dumps(texts))
        return digest.hexdigest()


def _beginnings(path: str) -> Iterator[str]:
    """Yield the names under which a document can hold a field, or what the field is in."""
    yield from (path[:place] for place, character in enumerate(path) if character == ".")
    yield path


def _within(envelope: Source, path: str) -> object:
    found: object = envelope
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _encode(source: Source) -> bytes:
    try:
        return orjson.dumps(source)
    except orjson.JSONEncodeError as error:
        raise FormatError(f"the value cannot be written as JSON again: {error}") from error


def _places(node: object, path: str) -> Iterator[tuple[Source, str]]:
    """Find a field, whether its dots are written as objects in objects, as names with dots, or as a mix of both.

    A list on the way is given instead of what may be in it.
    """
    if not isinstance(node, dict):
        return
    if path in node:
        yield node, path
    for dot in [index for index, character in enumerate(path) if character == "."]:
        inner = node.get(path[:dot])
        if isinstance(inner, list):
            yield node, path[:dot]
        yield from _places(inner, path[dot + 1 :])


def _no_text(values: list[object]) -> str:
    """Return what `values` are when they are not one text at most."""
    if len(values) > 1:
        return "several values"
    return next((type(value).__name__ for value in values if not isinstance(value, str)), "")


def _move(source: Source, path: str, place: tuple[Source, str]) -> str | None:
    """Return the text at `place`, written where the processor looks: as objects in objects. None if it cannot be."""
    node, name = place
    if name == path and "." not in path:
        return str(node[name])
    text: str = node.pop(name)
    return text if put(source, path, text) else None


def put(document: Source, path: str, value: object) -> bool:
    """Write `value` where the processor looks, as objects in objects; return False if something else stands there."""
    *parents, last = path.split(".")
    inner: Any = document
    for parent in parents:
        inner = inner.setdefault(parent, {})
        if not isinstance(inner, dict):
            return False
    inner[last] = value
    return True


def _strip(node: object, path: str) -> int:
    """Take a field away with what is in it, however its dots are written, also in lists; return how often it was."""
    if isinstance(node, list):
        return sum(_strip(one, path) for one in node)
    if not isinstance(node, dict):
        return 0
    gone = [name for name in node if f"{name}.".startswith(f"{path}.")]
    for name in gone:
        del node[name]
    inside = [(inner, path[len(name) + 1 :]) for name, inner in node.items() if path.startswith(f"{name}.")]
    return len(gone) + sum(_strip(inner, rest) for inner, rest in inside)


def _is_one_of(value: object, allowed: list[str | int | bool]) -> bool:
    return any(value == one and isinstance(value, bool) is isinstance(one, bool) for one in allowed)
