"""Facets: how many hits have each value of a field, or lie in each range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from search_api.errors import Fault
from search_api.model import Json, Message, Value
from search_api.query import filters
from search_api.query.filters import Declared
from search_api.settings import Kind

Unit = Literal["day", "week", "month", "quarter", "year"]
Interval = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
WAYS: dict[Kind, tuple[str, ...]] = {
    "keyword": ("values",),
    "integer": ("values", "ranges", "interval"),
    "number": ("values", "ranges", "interval"),
    "date": ("values", "ranges", "unit"),
}
"""How a field of a kind can be counted."""
COUNTS = "counts"


class Range(Message):
    """From `gte` up to, without, `lt`."""

    gte: Value | None = Field(None, description="At least; default: no lower bound.")
    lt: Value | None = Field(None, description="Less than; default: no upper bound.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.gte is None and self.lt is None:
            raise ValueError("give gte, lt or both")
        return self


class Facet(Message):
    """Counts by value, or by `ranges`, by `interval` (numbers) or by `unit` (dates)."""

    field: str = Field(description="A field that the index declares.", examples=["genres"])
    size: int = Field(10, ge=1, strict=True, description="Most values, those with the most hits first.")
    ranges: list[Range] | None = Field(None, min_length=1, description="Ranges to count in; they may overlap.")
    interval: Interval | None = Field(
        None, description="Width of ranges of equal width; those without hits are left out."
    )
    unit: Unit | None = Field(None, description="Length of the calendar's ranges; those without hits are left out.")
    disjunctive: bool = Field(
        default=False, strict=True, description="Whether the filters on this very field leave its counts alone."
    )

    @property
    def way(self) -> str:
        """Return what is counted: `values`, `ranges`, `interval` or `unit`."""
        return next((way for way in ("ranges", "interval", "unit") if getattr(self, way) is not None), "values")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ranges is not None) + (self.interval is not None) + (self.unit is not None) > 1:
            raise ValueError("give at most one of ranges, interval, unit")
        return self


def faults(facets: Sequence[Facet], declared: Declared) -> Iterator[Fault]:
    """Yield what is wrong with `facets`."""
    for number, facet in enumerate(facets):
        pointer = f"/facets/{number}"
        if fault := filters.undeclared(facet.field, declared, f"{pointer}/field"):
            yield fault
        else:
            yield from _faults(facet, declared[facet.field].kind, pointer)


def _faults(facet: Facet, kind: Kind, pointer: str) -> Iterator[Fault]:
    if facet.way not in WAYS[kind]:
        detail = f"{facet.field!r} is a field of kind {kind}: it is not counted by {facet.way}"
        yield Fault(detail, pointer=f"{pointer}/{facet.way}", allowed=WAYS[kind])
        return
    for number, one in enumerate(facet.ranges or ()):
        for bound, value in (("gte", one.gte), ("lt", one.lt)):
            if value is not None and (fault := filters.wrong(facet.field, kind, bound, value)):
                yield Fault(fault.detail, pointer=f"{pointer}/ranges/{number}/{bound}")


def aggregation(facet: Facet, declared: Declared) -> Json:
    """Return the aggregation that counts `facet`. Raises KeyError for a field that is not declared."""
    field = filters.name_of(facet.field, declared)
    if facet.ranges is not None:
        kind = "date_range" if declared[facet.field].kind == "date" else "range"
        return {kind: {"field": field, "ranges": [_range(one, key) for key, one in enumerate(facet.ranges)]}}
    if facet.interval is not None:
        return {"histogram": {"field": field, "interval": facet.interval, "min_doc_count": 1}}
    if facet.unit is not None:
        return {"date_histogram": {"field": field, "calendar_interval": facet.unit, "min_doc_count": 1}}
    return {"terms": {"field": field, "size": facet.size}}


def _range(one: Range, key: int) -> Json:
    bounds = {"from": one.gte, "to": one.lt}
    # Elasticsearch sorts ranges: the key tells which is which.
    return {"key": str(key)} | {name: bound for name, bound in bounds.items() if bound is not None}


def answer(facet: Facet, found: Mapping[str, Any], kind: Kind) -> Json:
    """Return the counts of `facet` from its aggregation's answer, which may be filtered."""
    while COUNTS in found:
        found = found[COUNTS]
    values = [_value(facet, bucket, kind) for bucket in _ordered(facet, found.get("buckets", ()))]
    return {"field": facet.field, "values": values, "others": found.get("sum_other_doc_count", 0)}


def _ordered(facet: Facet, buckets: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    return sorted(buckets, key=lambda bucket: int(bucket["key"])) if facet.ranges is not None else buckets


def _value(facet: Facet, bucket: Mapping[str, Any], kind: Kind) -> Json:
    count = {"count": bucket["doc_count"]}
    if facet.ranges is not None:
        return facet.ranges[int(bucket["key"])].model_dump(exclude_none=True) | count
    if facet.interval is not None:
        return {"gte": bucket["key"], "lt": bucket["key"] + facet.interval, **count}
    return {"value": bucket["key_as_string"] if kind == "date" else bucket["key"], **count}
