"""Whose a cursor is: a fingerprint of the caller and of all that it may see (pure)."""

from __future__ import annotations

import hashlib

import orjson

from search_api.access.principal import Principal


def fingerprint(caller: Principal) -> str:
    """Return text that differs between callers that differ in name, indices or filters."""
    seen = {
        "name": caller.name,
        "indices": None if caller.indices is None else sorted(caller.indices),
        "filters": [one.model_dump(mode="json") for one in caller.filters],
    }
    return hashlib.sha256(orjson.dumps(seen, option=orjson.OPT_SORT_KEYS)).hexdigest()
