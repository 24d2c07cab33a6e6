"""Which document a record is about, and which of two states of it is the newer one."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import Any

from streamer.model import Record

MAX_ID_BYTES = 512
"""Elasticsearch refuses a longer `_id`, and with it the whole bulk."""

MOST_BYTES_A_CHARACTER = 4

BASE64, SHA256, POSITION = "~b64~", "~sha256~", "~pos~"
RESERVED_PREFIXES = (BASE64, SHA256, POSITION)

EPOCH_SHIFT, OFFSET_SHIFT = 46, 2
STAGE_LEXICAL, STAGE_COMPLETE = 0, 1
"""Of a document without its tokens and with all of them; 2 and 3 (repairs) are reserved."""
MAX_EPOCH = (1 << 17) - 1
MAX_OFFSET = (1 << (EPOCH_SHIFT - OFFSET_SHIFT)) - 2
MAX_VERSION = (1 << 63) - 1
WHOLE_NUMBER = re.compile(r"[0-9]{1,19}")
"""2^63 has 19 digits; Python refuses to read a text of thousands of them."""


class IdentityError(ValueError):
    """A record that has no usable id or version; the message says why."""


def id_of_key(key: bytes, prefix: str = "") -> str:
    """Return the document id for `key`: its text, or an encoded form where text cannot be had.

    Different keys get different ids: a text that looks like an encoded form is encoded itself. Raises IdentityError
    for an empty key.
    """
    if not key:
        raise IdentityError("the key is empty")
    try:
        text = key.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or text.startswith(RESERVED_PREFIXES):
        text = BASE64 + base64.urlsafe_b64encode(key).rstrip(b"=").decode()
    if not _fits(text, prefix):
        text = SHA256 + hashlib.sha256(key).hexdigest()
    return prefix + text


def id_of_position(record: Record, epoch: int, prefix: str = "") -> str:
    """Return the document id for a record that is known by its position only."""
    topic, number = record.partition
    place = f"{topic}-{epoch}-{number}-{record.offset}"
    if not _fits(POSITION + place, prefix):
        place = hashlib.sha256(place.encode()).hexdigest()
    return f"{prefix}{POSITION}{place}"


def id_of_field(source: Mapping[str, Any], name: str, prefix: str = "") -> str:
    """Return the document id from the field `name`, a string or a whole number."""
    value = source.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise IdentityError(f"the field {name!r}, which gives the id, holds no string or whole number")
    return id_of_key(str(value).encode(), prefix)


def version_of_position(epoch: int, offset: int, stage: int = STAGE_COMPLETE) -> int:
    """Return the external version: a later offset beats an earlier one, a later epoch any offset before it."""
    if not (0 <= epoch <= MAX_EPOCH and 0 <= offset <= MAX_OFFSET and 0 <= stage < 1 << OFFSET_SHIFT):
        raise IdentityError(f"epoch {epoch}, offset {offset}, stage {stage} do not fit into a version")
    return (epoch << EPOCH_SHIFT) + ((offset + 1) << OFFSET_SHIFT) + stage


def lexical_version(version: int) -> int:
    """Return the version of the same record's lexical form: beaten by the complete one, and by any later record."""
    return version - STAGE_COMPLETE + STAGE_LEXICAL


def epoch_and_offset(version: int) -> tuple[int, int]:
    """Return the epoch and the offset that made a version of `version_of_position`."""
    return version >> EPOCH_SHIFT, ((version & ((1 << EPOCH_SHIFT) - 1)) >> OFFSET_SHIFT) - 1


def version_of_value(value: object, origin: str) -> int:
    """Return the external version that a field or header gives, taken as it is."""
    number = _whole_number(value)
    if number is None or not 0 <= number <= MAX_VERSION:
        raise IdentityError(f"{origin}, which gives the version, holds no whole number between 0 and 2^63 - 1")
    return number


def _fits(text: str, prefix: str) -> bool:
    if MOST_BYTES_A_CHARACTER * (len(text) + len(prefix)) <= MAX_ID_BYTES:
        return True
    return len(text.encode()) + len(prefix.encode()) <= MAX_ID_BYTES


def _whole_number(value: object) -> int | None:
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
