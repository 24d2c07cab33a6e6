"""Where the keys of JSON Web Tokens come from: a secret, a file, or an address that is asked now and then."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import jwt
import msgspec

from search_api.access.settings import JwtSettings
from search_api.errors import CredentialsRefused, CredentialsUnchecked
from streamer import logs
from streamer.clock import Clock
from streamer.errors import SettingsError

FETCH_TIMEOUT_S = 5.0
LARGEST_SET = 256 * 1024
PAUSE_S = 10.0
"""Least time between two fetches, whatever ids of keys arrive and whether the last one worked."""

log = logs.get("search_api")

VerifyingKey = jwt.PyJWK | str | bytes


class KeySource(Protocol):
    """Finds the key that verifies a token."""

    async def key(self, kid: str | None) -> VerifyingKey:
        """Return the key with this id; raises CredentialsRefused, or CredentialsUnchecked when it may be one later."""


class OneKey:
    """One key for all tokens."""

    def __init__(self, key: str | bytes) -> None:
        """Verify with `key`."""
        self._key = key

    async def key(self, kid: str | None) -> VerifyingKey:
        """Return the key, whatever the token calls it."""
        del kid
        return self._key


class FileSet:
    """A set of keys that does not change while the process runs."""

    def __init__(self, content: bytes) -> None:
        """Read the set; raises SettingsError."""
        try:
            self._set = set_of(content)
        except ValueError as error:
            raise SettingsError(f"access.jwt: jwks_file is no JSON Web Key Set: {error}") from error

    async def key(self, kid: str | None) -> VerifyingKey:
        """Return the key with this id; raises CredentialsRefused."""
        if key := find(self._set, kid):
            return key
        raise CredentialsRefused("no key has the id that the token names")


class RemoteSet:
    """A set of keys at an address, fetched when it is old or when a token names a key that is not in it.

    When the address does not answer, the last set goes on to count.
    """

    def __init__(self, url: str, ttl_s: float, clock: Clock) -> None:
        """Fetch from `url` every `ttl_s` seconds at most, when tokens come."""
        self._url, self._ttl_s, self._clock = url, ttl_s, clock
        self._set: jwt.PyJWKSet | None = None
        self._fetched = self._asked = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str | None) -> VerifyingKey:
        """Return the key with this id; raises CredentialsRefused, or CredentialsUnchecked without any set."""
        async with self._lock:
            if self._is_due(kid):
                await self._fetch()
        if self._set is None:
            raise CredentialsUnchecked
        if key := find(self._set, kid):
            return key
        raise CredentialsRefused("no key has the id that the token names")

    def _is_due(self, kid: str | None) -> bool:
        now = self._clock.monotonic()
        if now - self._asked < PAUSE_S:
            return False
        return self._set is None or now - self._fetched >= self._ttl_s or find(self._set, kid) is None

    async def _fetch(self) -> None:
        self._asked = self._clock.monotonic()
        try:
            self._set = set_of(await self._read())
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            log.warning("no keys of tokens", url=self._url, error=str(error) or type(error).__name__)
        else:
            self._fetched = self._asked

    async def _read(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
        async with (
            aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session,
            session.get(self._url, allow_redirects=False) as response,
        ):
            content = await response.content.read(LARGEST_SET + 1)
            while len(content) <= LARGEST_SET and (more := await response.content.read(LARGEST_SET)):
                content += more
        if len(content) > LARGEST_SET:
            raise ValueError(f"more than {LARGEST_SET} bytes")
        return content


def source(settings: JwtSettings, clock: Clock) -> KeySource:
    """Return where the keys of `settings` come from; raises SettingsError for a file that cannot be used."""
    if settings.secret:
        return OneKey(settings.secret.get_secret_value().encode())
    if settings.public_key:
        return OneKey(_pem(settings.public_key))
    if settings.jwks_file:
        return FileSet(_content(settings.jwks_file))
    return RemoteSet(settings.jwks_url or "", settings.jwks_ttl_s, clock)


def set_of(content: bytes) -> jwt.PyJWKSet:
    """Return the set of keys in a JSON document; raises ValueError."""
    try:
        document: Any = msgspec.json.decode(content)
        return jwt.PyJWKSet.from_dict(document)
    except (jwt.PyJWTError, msgspec.DecodeError, AttributeError, TypeError) as error:
        raise ValueError(str(error)) from error


def find(keys: jwt.PyJWKSet, kid: str | None) -> jwt.PyJWK | None:
    """Return the key that may sign and has this id; without an id, the only one."""
    signing = [key for key in keys.keys if key.public_key_use in {"sig", None}]
    if kid is None:
        return signing[0] if len(signing) == 1 else None
    return next((key for key in signing if key.key_id == kid), None)


def _pem(path: Path) -> bytes:
    content = _content(path)
    if b"-----BEGIN PUBLIC KEY-----" not in content and b"-----BEGIN CERTIFICATE-----" not in content:
        raise SettingsError(f"access.jwt: {path} holds no public key in PEM")
    return content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"access.jwt: {path} cannot be read: {error.strerror}") from error
