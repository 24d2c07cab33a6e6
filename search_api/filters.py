"""Filters: from a request's conditions, or a URL's parameters, to clauses of ours; raw query language never passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from search_api.errors import Fault, InvalidRequest
from search_api.model import Condition, Json
from search_api.settings import Kind

BOUNDS = ("gte", "gt", "lte", "lt")
OPERATORS: dict[Kind, tuple[str, ...]] = {"keyword": ("any_of",), "number": ("any_of", *BOUNDS)}
PREFIX = "filter."
"""Put before a field in a URL when the service has a parameter of the field's name."""

_DECIMAL = re.compile(r"^-?\d{1,30}(\.\d{1,30})?$", re.ASCII)


def clauses(conditions: Iterable[Condition], kinds: Mapping[str, Kind]) -> list[Json]:
    """Return one Elasticsearch clause for each condition.

    `kinds` are the fields that may be filtered. Raises InvalidRequest naming each wrong condition.
    """
    conditions = list(conditions)
    faults = [fault for number, one in enumerate(conditions) for fault in _faults(one, kinds, f"/filters/{number}")]
    if faults:
        raise InvalidRequest(*faults)
    return [_clause(condition) for condition in conditions]


def _clause(condition: Condition) -> Json:
    if condition.any_of is not None:
        return {"terms": {condition.field: condition.any_of}}
    return {"range": {condition.field: condition.bounds}}


def _faults(condition: Condition, kinds: Mapping[str, Kind], pointer: str) -> Iterable[Fault]:
    kind = kinds.get(condition.field)
    if kind is None:
        yield Fault(_unknown(condition.field), pointer=f"{pointer}/field", allowed=tuple(kinds))
    elif condition.any_of is None and "gte" not in OPERATORS[kind]:
        yield Fault(_no_bounds(condition.field), pointer=pointer, allowed=OPERATORS[kind])
    else:
        wanted = str if kind == "keyword" else (int, float)
        for number, value in enumerate(condition.any_of or ()):
            if not isinstance(value, wanted):
                yield Fault(_wrong_value(condition.field, kind), pointer=f"{pointer}/any_of/{number}")


def from_parameters(parameters: Iterable[tuple[str, str]], kinds: Mapping[str, Kind]) -> list[Json]:
    """Return the conditions that a URL's parameters name: `genres=Drama&genres=Crime&year.gte=1990`.

    Values of one field are alternatives; empty ones, as forms send them, say nothing. Raises InvalidRequest.
    """
    found: dict[str, Json] = {}
    faults: list[Fault] = []
    for name, value in parameters:
        field, operator = _split(name.removeprefix(PREFIX), kinds)
        fault = _parameter_fault(name, field, operator, value, kinds)
        if fault:
            faults.append(fault)
        elif value:
            _put(found, field, operator, _typed(value, kinds[field]))
    if faults:
        raise InvalidRequest(*faults)
    return list(found.values())


def _split(name: str, kinds: Mapping[str, Kind]) -> tuple[str, str]:
    field, dot, operator = name.rpartition(".")
    if name not in kinds and dot and operator in BOUNDS:
        return field, operator
    return name, "any_of"


def _parameter_fault(name: str, field: str, operator: str, value: str, kinds: Mapping[str, Kind]) -> Fault | None:
    kind = kinds.get(field)
    if kind is None:
        return Fault(_unknown(field), parameter=name, allowed=tuple(kinds))
    if operator not in OPERATORS[kind]:
        return Fault(_no_bounds(field), parameter=name, allowed=OPERATORS[kind])
    if kind == "number" and value and not _DECIMAL.match(value):
        return Fault(_wrong_value(field, kind), parameter=name)
    return None


def _typed(value: str, kind: Kind) -> str | int | float:
    if kind == "keyword":
        return value
    return float(value) if "." in value else int(value)


def _put(found: dict[str, Json], field: str, operator: str, value: str | float) -> None:
    if operator == "any_of":
        found.setdefault(field, {"field": field, "any_of": []})["any_of"].append(value)
    else:
        # A field may have both: a list of values and bounds are two conditions.
        found.setdefault(f"{field} in bounds", {"field": field})[operator] = value


def _unknown(field: str) -> str:
    return f"{field!r} is not a field to filter on"


def _no_bounds(field: str) -> str:
    return f"{field!r} is a keyword field: it takes values, not bounds"


def _wrong_value(field: str, kind: Kind) -> str:
    return f"{field!r} is a {kind} field: its values are {'strings' if kind == 'keyword' else 'numbers'}"
