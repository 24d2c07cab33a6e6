"""API keys: made with a random secret, kept as its hash.

A hash without salt and repetition is enough: the secret is 32 random bytes, which nobody can guess or tabulate.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from pydantic import Field, TypeAdapter, ValidationError

from search_api.access.principal import Principal
from search_api.access.settings import AccessSettings, KeySettings, RateSettings, RawFilter
from search_api.errors import InvalidRequest
from search_api.query import filters
from search_api.query.filters import Filter
from search_api.settings import IndexSettings
from streamer.errors import SettingsError
from streamer.settings import Section
from streamer.settings.files import describe

KIND = "sk1"
PARTS = 3
_FILTERS: TypeAdapter[list[Filter]] = TypeAdapter(list[Filter])
_NO_HASH = "sha256:" + "0" * 64


class KeyFile(Section):
    """What a file of keys holds."""

    keys: list[KeySettings] = Field(min_length=1)


class Key(msgspec.Struct, frozen=True):
    """A key that may be used: who comes with it, and until when (milliseconds since 1970 UTC)."""

    principal: Principal
    hash: str
    expires_ms: int | None
    signing_key: bytes | None


def make_secret() -> str:
    """Return 32 random bytes as text."""
    return secrets.token_urlsafe(32)


def text_of(name: str, secret: str) -> str:
    """Return a key as clients send it."""
    return f"{KIND}.{name}.{secret}"


def hash_of(secret: str) -> str:
    """Return what is kept of a secret."""
    return f"sha256:{hashlib.sha256(secret.encode()).hexdigest()}"


def is_of(key: Key | None, secret: str) -> bool:
    """Return whether `secret` is that of `key`; takes the same time for every wrong one, also without a key."""
    same = hmac.compare_digest(hash_of(secret), key.hash if key else _NO_HASH)
    return same and key is not None


def load(access: AccessSettings, indices: Iterable[IndexSettings]) -> dict[str, Key]:
    """Return the configured keys by name; raises SettingsError for one that does not fit the indices."""
    known = {index.name: index for index in indices}
    found: dict[str, Key] = {}
    for row in _rows(access):
        if row.name in found:
            raise SettingsError(f"access.keys: two keys are called {row.name!r}, give each a name of its own")
        found[row.name] = _key(row, access.limits, known)
    return found


def _rows(access: AccessSettings) -> Iterator[KeySettings]:
    yield from access.keys
    if access.keys_file:
        yield from _file(access.keys_file)


def _file(path: Path) -> list[KeySettings]:
    try:
        return KeyFile.model_validate(tomllib.loads(path.read_text("utf-8"))).keys
    except OSError as error:
        raise SettingsError(f"access.keys_file: {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"access.keys_file: {path} is not TOML: {error}") from error
    except ValidationError as error:
        raise SettingsError(f"access.keys_file: {path}: {describe(error)}") from error


def _key(row: KeySettings, limits: RateSettings, indices: dict[str, IndexSettings]) -> Key:
    where = f"access.keys, {row.name!r}"
    principal = Principal(
        name=row.name,
        scopes=frozenset(row.scopes),
        indices=allowed(row.indices, indices, where),
        filters=fixed(row.filters, row.indices, indices, where),
        limits=row.limits.over(limits),
        account=row.name,
    )
    expires_ms = int(row.expires.timestamp() * 1000) if row.expires else None
    signing_key = row.signing_key.get_secret_value().encode() if row.signing_key else None
    return Key(principal, row.hash, expires_ms, signing_key)


def allowed(names: list[str] | None, indices: dict[str, IndexSettings], where: str) -> frozenset[str] | None:
    """Return the names as a set; raises SettingsError for one that is no index."""
    if names is None:
        return None
    if unknown := sorted({*names} - indices.keys()):
        raise SettingsError(f"{where}: no index is called {', '.join(unknown)}; there are {', '.join(indices)}")
    return frozenset(names)


def fixed(
    raw: list[RawFilter], names: list[str] | None, indices: dict[str, IndexSettings], where: str
) -> tuple[Filter, ...]:
    """Return filters that always hold; raises SettingsError for those that do not fit an index they are for."""
    try:
        found = _FILTERS.validate_python(raw)
    except ValidationError as error:
        raise SettingsError(f"{where}: {describe(error)}") from error
    for name in indices if names is None else names:
        try:
            filters.checked(found, indices[name].filters, "/filters")
        except InvalidRequest as error:
            raise SettingsError(f"{where}: filters do not fit index {name!r}: {error}") from error
    return tuple(found)
