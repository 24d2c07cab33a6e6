"""Filters in a URL: `genres=Drama&genres=Crime&year.gte=1990`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from search_api.errors import Fault, InvalidRequest
from search_api.model import Json
from search_api.query.filters import BOUNDS, Declared, unknown, wrong
from search_api.settings import Kind

PREFIX = "filter."
"""Put before a field in a URL when the service has a parameter of the field's name."""
OPERATORS = (*BOUNDS, "prefix", "exists")

_DECIMAL = re.compile(r"^-?\d{1,30}(\.\d{1,30})?$", re.ASCII)
_TRUTH = {"true": True, "false": False}


def filters(parameters: Iterable[tuple[str, str]], declared: Declared) -> list[Json]:
    """Return the conditions that a URL's parameters name.

    Values of one field are alternatives; empty ones, as forms send them, say nothing. Raises InvalidRequest.
    """
    found: dict[str, Json] = {}
    faults: list[Fault] = []
    for name, value in parameters:
        field, operator = _split(name.removeprefix(PREFIX), declared)
        fault = _fault(field, operator, value, declared)
        if fault:
            faults.append(Fault(fault.detail, parameter=name, allowed=fault.allowed))
        elif value:
            _put(found, field, operator, _typed(value, operator, declared[field].kind))
    if faults:
        raise InvalidRequest(*faults)
    return list(found.values())


def _split(name: str, declared: Declared) -> tuple[str, str]:
    field, dot, operator = name.rpartition(".")
    if name not in declared and dot and operator in OPERATORS:
        return field, operator
    return name, "any_of"


def _fault(field: str, operator: str, value: str, declared: Declared) -> Fault | None:
    if field not in declared:
        return Fault(unknown(field), allowed=tuple(declared))
    if operator == "exists":
        return Fault(f"{field}.exists is true or false") if value and value not in _TRUTH else None
    kind = declared[field].kind
    return wrong(field, kind, operator, _typed(value, operator, kind) if value else None)


def _typed(value: str, operator: str, kind: Kind) -> str | int | float:
    if operator == "exists":
        return _TRUTH[value]
    if kind in {"keyword", "date"} or not _DECIMAL.match(value):
        return value
    return float(value) if "." in value else int(value)


def _put(found: dict[str, Json], field: str, operator: str, value: str | float) -> None:
    if operator == "any_of":
        found.setdefault(field, {"field": field, "any_of": []})["any_of"].append(value)
    else:
        # A field may have values, bounds and more: each kind is a condition of its own.
        kind = "bounds" if operator in BOUNDS else operator
        found.setdefault(f"{field} {kind}", {"field": field})[operator] = value
