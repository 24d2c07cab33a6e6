"""Filters: from a request's conditions, or a URL's parameters, to clauses of ours; raw query language never passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from search_api.errors import Fault, InvalidRequest
from search_api.model import LARGEST, Condition, Json, Value
from search_api.settings import FilterSettings, Kind

BOUNDS = ("gte", "gt", "lte", "lt")
OPERATORS: dict[Kind, tuple[str, ...]] = {
    "keyword": ("any_of",),
    "integer": ("any_of", *BOUNDS),
    "number": ("any_of", *BOUNDS),
}
# Elasticsearch refuses a query whose number does not fit the field.
LARGEST_OF: dict[Kind, int] = {"integer": 2**31 - 1, "number": LARGEST}

Filters = Mapping[str, FilterSettings]
PREFIX = "filter."
"""Put before a field in a URL when the service has a parameter of the field's name."""

_DECIMAL = re.compile(r"^-?\d{1,30}(\.\d{1,30})?$", re.ASCII)


def clauses(conditions: Iterable[Condition], filters: Filters) -> list[Json]:
    """Return one Elasticsearch clause for each condition.

    `filters` are the fields that may be filtered. Raises InvalidRequest naming each wrong condition.
    """
    conditions = list(conditions)
    faults = [fault for number, one in enumerate(conditions) for fault in _faults(one, filters, f"/filters/{number}")]
    if faults:
        raise InvalidRequest(*faults)
    return [_clause(one, filters[one.field].field or one.field) for one in conditions]


def _clause(condition: Condition, field: str) -> Json:
    if condition.any_of is not None:
        return {"terms": {field: condition.any_of}}
    return {"range": {field: condition.bounds}}


def _faults(condition: Condition, filters: Filters, pointer: str) -> Iterator[Fault]:
    name = condition.field
    if name not in filters:
        yield Fault(_unknown(name), pointer=f"{pointer}/field", allowed=tuple(filters))
        return
    kind = filters[name].kind
    for operator, value, at in _said(condition, pointer):
        if operator not in OPERATORS[kind]:
            yield Fault(_no_bounds(name), pointer=at, allowed=OPERATORS[kind])
        elif not _fits(value, kind):
            yield Fault(_wrong_value(name, kind), pointer=at)


def _said(condition: Condition, pointer: str) -> Iterator[tuple[str, Value, str]]:
    for number, value in enumerate(condition.any_of or ()):
        yield "any_of", value, f"{pointer}/any_of/{number}"
    for operator, bound in condition.bounds.items():
        yield operator, bound, f"{pointer}/{operator}"


def _fits(value: Value, kind: Kind) -> bool:
    if kind == "keyword":
        return isinstance(value, str)
    return not isinstance(value, str) and abs(value) <= LARGEST_OF[kind]


def from_parameters(parameters: Iterable[tuple[str, str]], filters: Filters) -> list[Json]:
    """Return the conditions that a URL's parameters name: `genres=Drama&genres=Crime&year.gte=1990`.

    Values of one field are alternatives; empty ones, as forms send them, say nothing. Raises InvalidRequest.
    """
    found: dict[str, Json] = {}
    faults: list[Fault] = []
    for name, value in parameters:
        field, operator = _split(name.removeprefix(PREFIX), filters)
        fault = _parameter_fault(name, field, operator, value, filters)
        if fault:
            faults.append(fault)
        elif value:
            _put(found, field, operator, _typed(value, filters[field].kind))
    if faults:
        raise InvalidRequest(*faults)
    return list(found.values())


def _split(name: str, filters: Filters) -> tuple[str, str]:
    field, dot, operator = name.rpartition(".")
    if name not in filters and dot and operator in BOUNDS:
        return field, operator
    return name, "any_of"


def _parameter_fault(name: str, field: str, operator: str, value: str, filters: Filters) -> Fault | None:
    if field not in filters:
        return Fault(_unknown(field), parameter=name, allowed=tuple(filters))
    kind = filters[field].kind
    if operator not in OPERATORS[kind]:
        return Fault(_no_bounds(field), parameter=name, allowed=OPERATORS[kind])
    if value and kind != "keyword" and not (_DECIMAL.match(value) and _fits(float(value), kind)):
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
    if kind == "keyword":
        return f"{field!r} is a keyword field: its values are strings"
    largest = LARGEST_OF[kind]
    return f"{field!r} is a field of kind {kind}: its values are numbers between -{largest} and {largest}"
