"""Expected against found, as lines for people (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson


class _Nothing:
    """The value of what is not there."""


NOTHING: Final = _Nothing()

_UNITS = {
    "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
}  # fmt: skip
_SIZES = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_AMOUNT = re.compile(r"^(\d+(?:\.\d+)?)\s*([a-z]+)$")


def line(path: str, expected: object, found: object) -> str:
    """Return `path: expected ..., found ...`."""
    return f"{path}: expected {_shown(expected)}, found {_shown(found)}"


def differences(expected: object, found: object, path: str) -> list[str]:
    """Return a line for each path at which `found` is not exactly `expected`.

    Elasticsearch answers some booleans and numbers as text, so `true` equals `"true"`.
    """
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        names = [*expected, *(name for name in found if name not in expected)]
        return [
            text
            for name in names
            for text in differences(expected.get(name, NOTHING), found.get(name, NOTHING), f"{path}.{name}")
        ]
    if isinstance(expected, list) and isinstance(found, list):
        return _list_differences(expected, found, path)
    return [] if _plain(expected) == _plain(found) else [line(path, expected, found)]


def milliseconds(value: object) -> float:
    """Return the milliseconds of a time value such as `1h`. Raises ValueError for anything else."""
    return _amount(value, _UNITS)


def size(value: object) -> float:
    """Return the bytes of a size such as `262mb`. Raises ValueError for anything else."""
    return _amount(value, _SIZES)


def _list_differences(expected: Sequence[Any], found: Sequence[Any], path: str) -> list[str]:
    longest = max(len(expected), len(found))
    padded = [list(side) + [NOTHING] * (longest - len(side)) for side in (expected, found)]
    return [
        text
        for index, (wanted, there) in enumerate(zip(*padded, strict=True))
        for text in differences(wanted, there, f"{path}[{index}]")
    ]


def _amount(value: object, units: Mapping[str, int]) -> float:
    match = _AMOUNT.match(str(value).lower())
    if match is None or match[2] not in units:
        msg = f"{value!r} is not a number with one of {', '.join(units)}"
        raise ValueError(msg)
    return float(match[1]) * units[match[2]]


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _shown(value: object) -> str:
    return "nothing" if value is NOTHING else orjson.dumps(value).decode()
