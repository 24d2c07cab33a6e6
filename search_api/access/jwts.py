"""JSON Web Tokens of configured issuers: checked by PyJWT, and their claims made into filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jwt
import msgspec
from pydantic import ValidationError

from search_api.access import jwks, keys
from search_api.access.principal import Principal
from search_api.access.settings import AccessSettings, JwtSettings, RateSettings
from search_api.errors import CredentialsExpired, CredentialsRefused
from search_api.query.filters import Condition, Filter
from search_api.settings import IndexSettings
from streamer.clock import Clock
from streamer.errors import SettingsError

Claims = Mapping[str, Any]
# What PyJWT lets through when a token is not made of what its parts should be.
MALFORMED = (jwt.PyJWTError, ValueError, TypeError, RecursionError)


class Issuer(msgspec.Struct, frozen=True):
    """One issuer: how its tokens are checked, and what all their bearers have in common."""

    settings: JwtSettings
    source: jwks.KeySource
    principal: Principal


class Jwts:
    """Checks tokens of all issuers."""

    def __init__(self, issuers: Sequence[Issuer]) -> None:
        """Accept tokens of `issuers`."""
        self._issuers = issuers

    async def principal(self, token: str) -> Principal:
        """Return who bears `token`; raises CredentialsRefused, CredentialsExpired or CredentialsUnchecked."""
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
            issuer = self._issuer(unverified["payload"].get("iss"))
            kid = unverified["header"].get("kid")
            verified = _verified(token, await issuer.source.key(kid), issuer.settings)
        except jwt.ExpiredSignatureError as error:
            raise CredentialsExpired from error
        except MALFORMED as error:
            # Its type alone: the message may quote what was sent.
            raise CredentialsRefused(f"the JSON Web Token is wrong: {type(error).__name__}") from error
        return _principal(verified, issuer)

    def _issuer(self, name: object) -> Issuer:
        for one in self._issuers:
            if one.settings.issuer in {None, name} if isinstance(name, str) else one.settings.issuer is None:
                return one
        raise CredentialsRefused("the JSON Web Token is of no known issuer")


def load(access: AccessSettings, indices: Sequence[IndexSettings], clock: Clock) -> Jwts | None:
    """Return what checks tokens, None without an issuer; raises SettingsError."""
    issuers = [_issuer_of(one, access.limits, indices, clock) for one in access.jwt]
    return Jwts(issuers) if issuers else None


def _issuer_of(one: JwtSettings, limits: RateSettings, indices: Sequence[IndexSettings], clock: Clock) -> Issuer:
    known, where = {index.name: index for index in indices}, f"access.jwt, {one.issuer or one.audience!r}"
    names = keys.allowed(one.indices, known, where)
    for index in indices:
        unknown = sorted(one.claims.keys() - index.filters.keys())
        if unknown and (names is None or index.name in names):
            raise SettingsError(f"{where}: index {index.name!r} declares no filter {', '.join(unknown)}")
    fixed = keys.fixed(one.filters, one.indices, known, where)
    principal = Principal(f"jwt:{one.issuer or ''}", frozenset(one.scopes), names, fixed, one.limits.over(limits))
    return Issuer(one, jwks.source(one, clock), principal)


def _verified(token: str, key: jwks.VerifyingKey, settings: JwtSettings) -> Claims:
    required = ["exp", "aud", "sub", *(["iss"] if settings.issuer else [])]
    found: Claims = jwt.decode(
        token,
        key,
        algorithms=list(settings.algorithms),
        audience=settings.audience,
        issuer=settings.issuer,
        leeway=settings.leeway_s,
        options={"require": required},
    )
    return found


def _principal(claims: Claims, issuer: Issuer) -> Principal:
    common = issuer.principal
    name = f"{common.name}:{claims['sub']}"
    own = tuple(_filters(claims, issuer.settings.claims))
    return msgspec.structs.replace(common, name=name, account=name, filters=(*common.filters, *own))


def _filters(claims: Claims, mapping: Mapping[str, str]) -> Iterator[Filter]:
    for field, path in mapping.items():
        value = _claim(claims, path)
        try:
            yield Condition(field=field, any_of=value if isinstance(value, list) else [value])
        except ValidationError as error:
            raise CredentialsRefused(f"claim {path!r} has no values to filter by") from error


def _claim(claims: Claims, path: str) -> Any:  # noqa: ANN401 - any JSON value
    found: Any = claims
    for name in path[1:].split("/") if path.startswith("/") else [path]:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
