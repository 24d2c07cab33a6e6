"""Seals: text that only who has the secret can make, change or read (pure but for the nonce).

Signed with HMAC-SHA-256 over all of it, and looked into only after the signature has held. What a cursor carries names
indices of Elasticsearch, so it is covered too: by a key stream of SHAKE-256 over a key of its own and a fresh nonce.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

NONCE_BYTES = 16
SIGNATURE_BYTES = 32


class BrokenSeal(Exception):
    """The text was not sealed with this secret, or was changed."""


class Seal:
    """Seals and opens texts with one secret."""

    def __init__(self, secret: bytes) -> None:
        """Derive one key for the signature and one for the cover from `secret`."""
        self._signing = _derived(secret, b"signature")
        self._covering = _derived(secret, b"cover")

    def seal(self, content: bytes) -> str:
        """Return `content` as URL-safe text; the same content gives another text each time."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = nonce + self._covered(nonce, content)
        return base64.urlsafe_b64encode(self._signature(sealed) + sealed).rstrip(b"=").decode()

    def open(self, text: str) -> bytes:
        """Return what was sealed. Raises BrokenSeal for anything that this secret did not seal."""
        raw = _decoded(text)
        signature, sealed = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(sealed)):
            raise BrokenSeal
        return self._covered(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:])

    def _signature(self, sealed: bytes) -> bytes:
        return hmac.digest(self._signing, sealed, "sha256")

    def _covered(self, nonce: bytes, content: bytes) -> bytes:
        stream = hashlib.shake_256(self._covering + nonce).digest(len(content))
        return (int.from_bytes(content) ^ int.from_bytes(stream)).to_bytes(len(content))


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, b"search_api cursor " + purpose, "sha256")


def _decoded(text: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BrokenSeal from error
    # One cursor has one spelling: the spare bits of the last letter must be those that sealing writes.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise BrokenSeal
    return raw
