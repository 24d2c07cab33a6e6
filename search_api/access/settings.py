"""Settings of access: who may ask, how much, and how a connection must behave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field, SecretStr, model_validator

from streamer.settings import LOOPBACK, Name, Section

Scope = Literal["search", "admin", "standing"]
KEY_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
KeyName = Annotated[str, Field(pattern=KEY_NAME)]
# Checked against the filters of each index at start; what a filter is, query/filters.py says.
RawFilter = dict[str, Any]

SHORTEST_SECRET = 32
"""Bytes: as many as the output of SHA-256 has (RFC 7518, section 3.2)."""


class RateSettings(Section):
    """How much a caller may ask, in each process of the service: two processes let through twice as much."""

    per_second: float | None = Field(None, gt=0, description="Requests in a second, on average; default: no limit.")
    burst: int | None = Field(None, ge=1, description="Requests at once after a rest; default: those of a second.")
    concurrent: int | None = Field(None, ge=1, description="Requests at a time; default: no limit.")

    def over(self, other: RateSettings) -> RateSettings:
        """Return these limits, and those of `other` where they say nothing."""
        return other.model_copy(update=self.model_dump(exclude_none=True))


class KeySettings(Section):
    """An API key. Its text is shown once, by `search-api keys new`, and kept nowhere."""

    name: KeyName = Field(description="Name of the key: logs and limits know it by that.")
    hash: str = Field(pattern=r"^sha256:[0-9a-f]{64}$", description="`sha256:` and the digest of the key's secret.")
    scopes: list[Scope] = Field(["search"], min_length=1, description="What it may do.")
    indices: list[Name] | None = Field(None, description="Names of the indices it may search; default: all.")
    filters: list[RawFilter] = Field([], description="Filters, as in a request, that hold for all it sees.")
    expires: AwareDatetime | None = Field(None, description="When it ends, such as `2027-01-01T00:00:00Z`.")
    signing_key: SecretStr | None = Field(
        None,
        min_length=SHORTEST_SECRET,
        description="Secret that signs tokens derived from this key; default: none can be.",
    )
    limits: RateSettings = RateSettings()


class JwtSettings(Section):
    """JSON Web Tokens of one issuer, and what becomes of their claims."""

    issuer: str | None = Field(None, min_length=1, description="What `iss` must be.")
    audience: str = Field(min_length=1, description="What `aud` must be or hold.")
    algorithms: list[Literal["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256"]] = Field(
        min_length=1, description="Signatures that count: `HS*` with `secret`, the others with public keys."
    )
    secret: SecretStr | None = Field(None, min_length=SHORTEST_SECRET, description="Shared secret.")
    public_key: Path | None = Field(None, description="File with a public key in PEM.")
    jwks_file: Path | None = Field(None, description="File with a JSON Web Key Set.")
    jwks_url: str | None = Field(None, pattern=r"^https?://", description="Address of a JSON Web Key Set.")
    jwks_ttl_s: float = Field(300.0, gt=0, description="Time until the set is fetched anew.")
    leeway_s: float = Field(30.0, ge=0, le=300, description="How far clocks may differ.")
    scopes: list[Scope] = Field(["search"], min_length=1, description="What bearers may do.")
    indices: list[Name] | None = Field(None, description="Names of the indices they may search; default: all.")
    filters: list[RawFilter] = Field([], description="Filters that hold for all they see.")
    claims: dict[str, str] = Field(
        {},
        description="Field to filter on, and the claim with the values it must have one of; `/a/b` is a claim in a claim.",
    )
    limits: RateSettings = RateSettings()

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = (self.secret, self.public_key, self.jwks_file, self.jwks_url)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of secret, public_key, jwks_file, jwks_url")
        address = urlsplit(self.jwks_url or "")
        if address.scheme == "http" and address.hostname not in LOOPBACK:
            raise ValueError("jwks_url of another machine must be https: who answers it says whose tokens count")
        # Else whoever knows the public key could sign with it as if it were the secret.
        if any(name.startswith("HS") is (self.secret is None) for name in self.algorithms):
            raise ValueError("HS256, HS384 and HS512 go with secret, and nothing else does")
        return self


class AccessSettings(Section):
    """Who may ask. Without keys and issuers everybody may, on this machine only."""

    keys: list[KeySettings] = Field([], description="API keys.")
    keys_file: Path | None = Field(None, description="TOML file with more of them, as `[[keys]]`.")
    jwt: list[JwtSettings] = Field([], description="Issuers of JSON Web Tokens.")
    # What a key or a subject may ask that has no limits of its own.
    limits: RateSettings = RateSettings()
    hosts: list[str] = Field(
        [], description="Names the service answers to; default: all, and without keys those of this machine."
    )

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are."""
        return not (self.keys or self.keys_file or self.jwt)

    @model_validator(mode="after")
    def _issuers_differ(self) -> Self:
        issuers = [one.issuer for one in self.jwt]
        if len(issuers) > 1 and (None in issuers or len(set(issuers)) < len(issuers)):
            raise ValueError("several issuers of tokens need an issuer each, and no two the same")
        return self


class HttpSettings(Section):
    """How a connection must behave, so that slow or large requests hold nothing up."""

    connections: int = Field(1_000, ge=1, description="Most open connections; one more is answered with 503.")
    url_kbytes: int = Field(8, ge=1, le=64, description="Longest URL.")
    head_kbytes: int = Field(16, ge=1, le=256, description="Longest head of a request, with its URL.")
    head_timeout_s: float = Field(10.0, gt=0, description="Time for the head of a request, from its first byte.")
    body_timeout_s: float = Field(10.0, gt=0, description="Time for the body of a request.")
    write_timeout_s: float = Field(30.0, gt=0, description="Time that a client may leave an answer unread.")
    keep_alive_s: int = Field(5, ge=0, description="Time that a connection is kept without a request.")
