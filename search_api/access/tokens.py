"""Scoped tokens: what a holder of a signing key writes, offline and in any language, to hand on less than it has.

    st1.KEY.PAYLOAD.MAC

KEY is the name of the key that it comes from; PAYLOAD is a JSON object (Claims) in base64url without padding; MAC is
HMAC-SHA256 over everything before the last dot, under the text of the signing key, in base64url without padding.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Annotated, Any

import msgspec
from pydantic import Field, ValidationError

from search_api.access.principal import Principal
from search_api.access.settings import Scope
from search_api.errors import CredentialsRefused
from search_api.model import Message
from search_api.query import filters
from search_api.query.filters import Filter

KIND = "st1"
PARTS = 4
LONGEST = 8_192
"""Characters; also what keeps nested filters of a token shallow enough to read."""
Label = Annotated[str, Field(pattern=r"^[A-Za-z0-9@._-]{1,100}$")]


class Claims(Message):
    """What a token says. A part that is not known here could be a restriction, so it is refused."""

    exp: int = Field(ge=0, strict=True, description="When it ends, in seconds since 1970-01-01 UTC.")
    id: Label | None = Field(None, description="Whose it is, for logs; cursors are bound to it.")
    scopes: list[Scope] | None = Field(None, min_length=1, description="Of the key's scopes; default: `search` alone.")
    indices: list[str] | None = Field(None, description="Of the key's indices; default: all of those.")
    filters: list[Filter] = Field([], description="Filters, as in a request, beside those of the key.")


class Token(msgspec.Struct, frozen=True):
    """The text of a token in its parts; nothing is checked yet."""

    key: str
    payload: str
    signed: bytes
    mac: str


def parse(text: str) -> Token:
    """Take the text of a token apart; raises CredentialsRefused."""
    parts = text.split(".")
    if len(parts) != PARTS or parts[0] != KIND or len(text) > LONGEST or not text.isascii():
        raise CredentialsRefused("not a scoped token")
    return Token(parts[1], parts[2], text.rpartition(".")[0].encode(), parts[3])


def is_signed(token: Token, signing_key: bytes) -> bool:
    """Return whether `signing_key` made the token's MAC; takes the same time for each that did not."""
    return hmac.compare_digest(_mac(token.signed, signing_key).encode(), token.mac.encode())


def claims(token: Token) -> Claims:
    """Return what a token says whose MAC was checked; raises CredentialsRefused."""
    try:
        found = Claims.model_validate(msgspec.json.decode(_decoded(token.payload)))
    except (ValidationError, msgspec.DecodeError, RecursionError, binascii.Error, ValueError) as error:
        raise CredentialsRefused("the payload of a scoped token is wrong") from error
    if filters.depth(found.filters) > filters.DEEPEST:
        raise CredentialsRefused("the filters of a scoped token are too deep")
    return found


def narrowed(key: Principal, said: Claims, token: Token) -> Principal:
    """Return what is left of `key` for the bearer of the token: never more than the key has, whatever it says."""
    scopes = {"search"} if said.scopes is None else {*said.scopes}
    indices = key.indices
    if said.indices is not None:
        indices = frozenset(name for name in said.indices if key.may_search(name))
    # Without a label the payload is one: another token is another caller.
    label = said.id or hashlib.sha256(token.signed).hexdigest()[:16]
    return msgspec.structs.replace(
        key,
        name=f"{key.name}/{label}",
        scopes=frozenset(scope for scope in key.scopes if scope in scopes),
        indices=indices,
        filters=(*key.filters, *said.filters),
    )


def derive(key: str, signing_key: str, said: dict[str, Any]) -> str:
    """Return a token of the key called `key` that says `said`; the other side of `parse`, for commands and tests."""
    signed = f"{KIND}.{key}.{_encoded(msgspec.json.encode(said))}"
    return f"{signed}.{_mac(signed.encode(), signing_key.encode())}"


def _mac(signed: bytes, signing_key: bytes) -> str:
    return _encoded(hmac.digest(signing_key, signed, "sha256"))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
