"""From what pydantic says of a wrong request to faults that point at its parts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from search_api.errors import Fault

SHAPES = frozenset({"<condition>", "<group>"})
"""Which of several shapes a part of a request was taken for: pydantic puts it into an error's path."""


def faults_of(errors: Iterable[Any]) -> tuple[Fault, ...]:
    """Turn pydantic's errors into faults: `('body', 'filters', 0, 'field')` becomes the pointer `/filters/0/field`."""
    return tuple(_fault_of(error["loc"], error["msg"].removeprefix("Value error, ")) for error in errors)


def _fault_of(location: tuple[str | int, ...], message: str) -> Fault:
    where, *rest = location or ("body",)
    if where == "query":
        return Fault(message, parameter=".".join(map(str, rest)))
    return Fault(message, pointer="".join(f"/{escaped(str(part))}" for part in rest if part not in SHAPES))


def escaped(part: str) -> str:
    """Return `part` as it stands in a JSON pointer."""
    # RFC 6901, section 3.
    return part.replace("~", "~0").replace("/", "~1")
