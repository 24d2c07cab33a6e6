"""Filters: from a request's conditions to clauses of ours; raw query language never passes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from search_api.errors import Fault, InvalidRequest
from search_api.model import LARGEST, Json, Message, Text, Value
from search_api.settings import FilterSettings, Kind

BOUNDS = ("gte", "gt", "lte", "lt")
GROUPS = ("all", "any", "none")
OPERATORS: dict[Kind, tuple[str, ...]] = {
    "keyword": ("any_of", "prefix", "exists"),
    "integer": ("any_of", *BOUNDS, "exists"),
    "number": ("any_of", *BOUNDS, "exists"),
    "date": ("any_of", *BOUNDS, "exists"),
}
"""What a field of a kind can be asked."""
# Elasticsearch refuses a query whose number does not fit the field.
LARGEST_OF: Mapping[Kind, int] = {"integer": 2**31 - 1, "number": LARGEST}
DEEPEST = 5
"""How many groups may stand one in another."""

Declared = Mapping[str, FilterSettings]
"""The fields of an index that may be filtered, counted and sorted by, under the names that clients use."""

# What Elasticsearch's strict_date_optional_time and Python both read.
_DATE = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,6})?)?Z?)?$", re.ASCII)


class Condition(Message):
    """Documents whose `field` has any of the values, or lies in the range, or begins so, or is there at all."""

    field: str = Field(description="A field that the index declares.", examples=["genres"])
    any_of: list[Value] | None = Field(None, min_length=1, description="Values, one of which the field must have.")
    gte: Value | None = Field(None, description="At least.")
    gt: Value | None = Field(None, description="More than.")
    lte: Value | None = Field(None, description="At most.")
    lt: Value | None = Field(None, description="Less than.")
    prefix: Text | None = Field(None, min_length=1, description="How a value must begin, upper and lower case apart.")
    exists: bool | None = Field(None, strict=True, description="Whether the field must have a value or none.")

    @property
    def bounds(self) -> dict[str, str | int | float]:
        """The bounds that were given."""
        every = {"gte": self.gte, "gt": self.gt, "lte": self.lte, "lt": self.lt}
        return {name: bound for name, bound in every.items() if bound is not None}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = (self.any_of is not None, bool(self.bounds), self.prefix is not None, self.exists is not None)
        if sum(given) != 1:
            raise ValueError("give one of any_of, prefix, exists, or at least one of gte, gt, lte, lt")
        return self


class Group(Message):
    """Filters together: every one of `all`, at least one of `any` and not one of `none` must hold."""

    all: list[Filter] | None = Field(None, min_length=1, description="Every one must hold.")
    any: list[Filter] | None = Field(None, min_length=1, description="At least one must hold.")
    none: list[Filter] | None = Field(None, min_length=1, description="Not one may hold.")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not (self.all or self.any or self.none):
            raise ValueError("give at least one of all, any, none")
        return self

    @property
    def members(self) -> Iterator[tuple[str, Filter]]:
        """Each member with its place, such as `any/0`."""
        for name, group in (("all", self.all), ("any", self.any), ("none", self.none)):
            for number, one in enumerate(group or ()):
                yield f"{name}/{number}", one


def _shape(value: Any) -> str:  # noqa: ANN401 - whatever a client sent
    grouped = isinstance(value, Group) or (isinstance(value, dict) and not {*GROUPS}.isdisjoint(value))
    return "<group>" if grouped else "<condition>"


Filter = Annotated[Annotated[Condition, Tag("<condition>")] | Annotated[Group, Tag("<group>")], Discriminator(_shape)]
Group.model_rebuild()


def conditions(filters: Iterable[Filter], pointer: str) -> Iterator[tuple[str, Condition]]:
    """Yield every condition of `filters`, which stand at `pointer`, with its place; those in groups included."""
    for number, one in enumerate(filters):
        yield from _conditions(one, f"{pointer}/{number}")


def _conditions(one: Filter, pointer: str) -> Iterator[tuple[str, Condition]]:
    if isinstance(one, Condition):
        yield pointer, one
        return
    for place, member in one.members:
        yield from _conditions(member, f"{pointer}/{place}")


def depth(filters: Iterable[Filter]) -> int:
    """Return how many groups stand one in another."""
    return max((1 + depth(member for _, member in one.members) for one in filters if isinstance(one, Group)), default=0)


def clauses(filters: Iterable[Filter], declared: Declared) -> list[Json]:
    """Return one Elasticsearch clause for each filter. Raises KeyError for a field that is not declared."""
    return [_clause(one, declared) for one in filters]


def _clause(one: Filter, declared: Declared) -> Json:
    if isinstance(one, Group):
        return _group(one, declared)
    field = name_of(one.field, declared)
    if one.any_of is not None:
        return {"terms": {field: one.any_of}}
    if one.prefix is not None:
        return {"prefix": {field: {"value": one.prefix}}}
    if one.exists is not None:
        found: Json = {"exists": {"field": field}}
        return found if one.exists else {"bool": {"must_not": [found]}}
    return {"range": {field: one.bounds}}


def _group(group: Group, declared: Declared) -> Json:
    query: Json = {}
    if group.all:
        query["filter"] = clauses(group.all, declared)
    if group.any:
        query |= {"should": clauses(group.any, declared), "minimum_should_match": 1}
    if group.none:
        query["must_not"] = clauses(group.none, declared)
    return {"bool": query}


def name_of(field: str, declared: Declared) -> str:
    """Return what Elasticsearch calls the declared `field`. Raises KeyError for one that is not."""
    return declared[field].field or field


def faults(filters: Iterable[Filter], declared: Declared, pointer: str) -> Iterator[Fault]:
    """Yield what is wrong with `filters`, which stand at `pointer`."""
    for place, one in conditions(filters, pointer):
        if fault := undeclared(one.field, declared, f"{place}/field"):
            yield fault
        else:
            yield from _faults(one, declared[one.field].kind, place)


def _faults(one: Condition, kind: Kind, pointer: str) -> Iterator[Fault]:
    for operator, value, place in _said(one, pointer):
        if fault := wrong(one.field, kind, operator, value):
            yield Fault(fault.detail, pointer=place, allowed=fault.allowed)


def checked(filters: Iterable[Filter], declared: Declared, pointer: str) -> list[Json]:
    """Return the clauses of `filters`; raises InvalidRequest naming each that does not fit."""
    filters = list(filters)
    if found := list(faults(filters, declared, pointer)):
        raise InvalidRequest(*found)
    return clauses(filters, declared)


def undeclared(field: str, declared: Declared, pointer: str) -> Fault | None:
    """Return the fault of a field that the index does not declare."""
    if field in declared:
        return None
    return Fault(unknown(field), pointer=pointer, allowed=tuple(declared))


def _said(condition: Condition, pointer: str) -> Iterator[tuple[str, Value, str]]:
    for number, value in enumerate(condition.any_of or ()):
        yield "any_of", value, f"{pointer}/any_of/{number}"
    for operator, bound in condition.bounds.items():
        yield operator, bound, f"{pointer}/{operator}"
    if condition.prefix is not None:
        yield "prefix", condition.prefix, f"{pointer}/prefix"


def wrong(field: str, kind: Kind, operator: str, value: Value | None) -> Fault | None:
    """Return what is wrong with asking a field of `kind` for `value`, without a place."""
    if operator not in OPERATORS[kind]:
        return Fault(f"{field!r} is a field of kind {kind}: it does not take {operator}", allowed=OPERATORS[kind])
    if value is not None and not fits(value, kind):
        return Fault(_wrong_value(field, kind))
    return None


def fits(value: Value, kind: Kind) -> bool:
    """Return whether a field of `kind` can have `value`."""
    if kind == "keyword":
        return isinstance(value, str)
    if kind == "date":
        return isinstance(value, str) and _is_date(value)
    return not isinstance(value, str) and abs(value) <= LARGEST_OF[kind]


def _is_date(value: str) -> bool:
    try:
        return bool(_DATE.match(value) and datetime.fromisoformat(value))
    except ValueError:
        return False


def unknown(field: str) -> str:
    """Say that `field` is not declared."""
    return f"{field!r} is not a field to filter on"


def _wrong_value(field: str, kind: Kind) -> str:
    if kind == "keyword":
        return f"{field!r} is a field of kind keyword: its values are strings"
    if kind == "date":
        return f"{field!r} is a field of kind date: its values are like 2026-01-31 or 2026-01-31T12:00:00Z"
    largest = LARGEST_OF[kind]
    return f"{field!r} is a field of kind {kind}: its values are numbers between -{largest} and {largest}"
