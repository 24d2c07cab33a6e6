"""Cursors: everything that the next page needs, sealed into one text, so that any instance can go on (pure)."""

from __future__ import annotations

import zlib

import msgspec

from search_api.cursor.seal import BrokenSeal, Seal
from search_api.errors import CursorExpired, InvalidCursor
from search_api.model import Json, Tokens

VERSION = 1
"""Raised when the fields below change their meaning; cursors of another version are refused."""

Sort = str | int | float | bool | None
"""A sort value as Elasticsearch gives it and takes it back."""


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Where a walk stands."""

    version: int = VERSION
    id: str
    """Of the walk; stays the same from page to page."""
    owner: str
    """Fingerprint of the one who began it."""
    point: str
    """Elasticsearch's id of the point in time."""
    request: Json
    """The search, as it was checked."""
    tokens: Tokens | None = None
    """Of the query: a walk needs the encoder once, and stays without when it began without."""
    after: tuple[Sort, ...]
    """Sort values of the last hit that was given out."""
    keep_alive_s: int
    expires_ms: int
    """When it can't be used any more, by the wall clock."""
    ends_ms: int
    """When the whole walk ends, however often it goes on."""


def encode(cursor: Cursor, seal: Seal) -> str:
    """Return `cursor` as text."""
    return seal.seal(zlib.compress(msgspec.msgpack.encode(cursor)))


def decode(text: str, seal: Seal, owner: str, now_ms: int) -> Cursor:
    """Return what `text` says.

    Raises InvalidCursor for what this service did not make or made for somebody else than `owner` (which of the two is
    not told), CursorExpired for what came too late.
    """
    try:
        cursor = msgspec.msgpack.decode(zlib.decompress(seal.open(text)), type=Cursor)
    except (BrokenSeal, zlib.error, msgspec.DecodeError) as error:
        raise InvalidCursor from error
    if cursor.owner != owner or cursor.version != VERSION:
        raise InvalidCursor
    if cursor.expires_ms <= now_ms:
        raise CursorExpired
    return cursor
