"""A principal: who asks, and what they may."""

from __future__ import annotations

from typing import get_args

import msgspec

from search_api.access.settings import RateSettings, Scope
from search_api.query.filters import Filter

SCOPES: frozenset[Scope] = frozenset(get_args(Scope))


class Principal(msgspec.Struct, frozen=True):
    """A caller whose credentials were checked.

    `name` tells callers apart, also those with tokens of one key. `indices` are the names of those it may search, None
    for all; `filters` hold for every document that it sees or counts, whatever it asks. Requests count for `account`,
    within `limits`.
    """

    name: str
    scopes: frozenset[Scope] = frozenset({"search"})
    indices: frozenset[str] | None = None
    filters: tuple[Filter, ...] = ()
    limits: RateSettings = RateSettings()
    account: str = ""

    def may_search(self, index: str) -> bool:
        """Return whether the index called `index` is one of its own."""
        return self.indices is None or index in self.indices


LOCAL = Principal("local", SCOPES)
"""Everybody on this machine, while no key is configured."""
NOBODY = Principal("nobody", frozenset(), frozenset())
"""Who says nothing about themselves where that is no matter: on pages that are the same for all."""
