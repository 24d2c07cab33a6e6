"""How fresh an answer must be, as a URL asks for it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from search_api.freshness.model import FreshnessWish

_FIELDS = FreshnessWish.model_fields


def wish_of(
    min_position: Annotated[list[str], Query(default_factory=list, description=_FIELDS["min_position"].description)],
    max_age: Annotated[float | None, Query(description=_FIELDS["max_age"].description)] = None,
    wait_ms: Annotated[int | None, Query(description=_FIELDS["wait_ms"].description)] = None,
    *,
    accept_stale: Annotated[bool, Query(description=_FIELDS["accept_stale"].description)] = False,
) -> dict[str, Any]:
    """Return the fields of a FreshnessWish that the URL gives; they are not checked yet."""
    return {"min_position": min_position, "max_age": max_age, "wait_ms": wait_ms, "accept_stale": accept_stale}
