"""From the headers of a request to its principal: which kind of credentials they are, and whether they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search_api.access import jwts, keys, tokens
from search_api.access.jwts import Jwts
from search_api.access.keys import Key
from search_api.access.principal import Principal
from search_api.access.settings import AccessSettings
from search_api.errors import CredentialsExpired, CredentialsRefused
from search_api.settings import IndexSettings
from streamer.clock import Clock

Headers = Sequence[tuple[bytes, bytes]]

AUTHORIZATION, API_KEY = b"authorization", b"x-api-key"


class Authenticator:
    """Knows the keys and the issuers."""

    def __init__(self, known: Mapping[str, Key], issuers: Jwts | None, clock: Clock) -> None:
        """Accept the keys of `known`, tokens derived from them, and tokens of `issuers`."""
        self._keys, self._issuers, self._clock = known, issuers, clock

    async def principal(self, credentials: str) -> Principal:
        """Return whose `credentials` these are; raises CredentialsRefused, -Expired or -Unchecked."""
        kind = credentials.partition(".")[0]
        if kind == keys.KIND:
            return self._by_key(credentials)
        if kind == tokens.KIND:
            return self._by_token(credentials)
        if self._issuers is not None:
            return await self._issuers.principal(credentials)
        raise CredentialsRefused("neither a key nor a scoped token, and no issuer of tokens is configured")

    def _by_key(self, text: str) -> Principal:
        parts = text.split(".")
        if len(parts) != keys.PARTS:
            raise CredentialsRefused("not a key")
        key = self._keys.get(parts[1])
        if not keys.is_of(key, parts[2]) or key is None:
            raise CredentialsRefused("no such key")
        self._in_time(key.expires_ms)
        return key.principal

    def _by_token(self, text: str) -> Principal:
        token = tokens.parse(text)
        key = self._keys.get(token.key)
        # Without a key that may sign, the work is the same.
        signed = tokens.is_signed(token, key.signing_key if key and key.signing_key else b"none")
        if key is None or key.signing_key is None or not signed:
            raise CredentialsRefused("no key has signed this token")
        said = tokens.claims(token)
        self._in_time(key.expires_ms)
        self._in_time(said.exp * 1000)
        return tokens.narrowed(key.principal, said, token)

    def _in_time(self, expires_ms: int | None) -> None:
        if expires_ms is not None and expires_ms <= self._clock.now_ms():
            raise CredentialsExpired


def load(access: AccessSettings, indices: Sequence[IndexSettings], clock: Clock) -> Authenticator | None:
    """Return what checks credentials, None while everybody on this machine may ask; raises SettingsError."""
    if access.is_open:
        return None
    return Authenticator(keys.load(access, indices), jwts.load(access, indices, clock), clock)


def given(headers: Headers) -> str | None:
    """Return the credentials in `headers`, None without any; raises CredentialsRefused for several or odd ones."""
    found = [_text(name, value) for name, value in headers if name in {AUTHORIZATION, API_KEY}]
    if len(found) > 1:
        raise CredentialsRefused("credentials came twice")
    return found[0] if found else None


def _text(name: bytes, value: bytes) -> str:
    if not value.isascii():
        raise CredentialsRefused("credentials are not ASCII")
    text = value.decode("ascii")
    if name == API_KEY:
        return text.strip()
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "bearer":
        raise CredentialsRefused("the scheme of the header authorization is not Bearer")
    return rest.strip()
