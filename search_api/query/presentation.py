"""How hits are shown: their order, their grouping, their highlights and which of their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from search_api.errors import Fault
from search_api.model import Json, Message
from search_api.query.filters import Declared, name_of
from search_api.settings import IndexSettings, Kind

SCORE = "_score"
UNMAPPED: Mapping[Kind, str] = {"keyword": "keyword", "integer": "integer", "number": "double", "date": "date"}
"""What an index without the field is sorted as."""
ANALYZED_CHARS = 100_000
"""How far into a text matches are looked for; it must not exceed `index.highlight.max_analyzed_offset`."""


class Sort(Message):
    """One step of an order."""

    field: str = Field(description="A field that the index declares as sortable, or `_score`.", examples=["year"])
    order: Literal["asc", "desc"] = Field("desc", description="Smallest or largest first.")
    missing: Literal["first", "last"] = Field("last", description="Where documents without the field stand.")


class Collapse(Message):
    """Of the hits with the same value, only the best; those without a value count as one."""

    field: str = Field(description="A field that the index declares as single.", examples=["director"])


class Highlight(Message):
    """Passages of each hit with the words that matched between `<em>` and `</em>`; all else in them is escaped."""

    fields: list[str] | None = Field(None, min_length=1, description="Fields to show; default: all that are searched.")
    length: int = Field(150, ge=20, le=2_000, strict=True, description="Length of a passage, in characters, about.")
    count: int = Field(3, ge=1, le=20, strict=True, description="Most passages of a field.")


def sort_faults(steps: Sequence[Sort], declared: Declared) -> Iterator[Fault]:
    """Yield what is wrong with an order."""
    sortable = tuple(name for name, one in declared.items() if one.sortable)
    for number, step in enumerate(steps):
        if step.field not in (SCORE, *sortable):
            detail = f"{step.field!r} is not a field to sort by"
            yield Fault(detail, pointer=f"/sort/{number}/field", allowed=(SCORE, *sortable))


def collapse_faults(collapse: Collapse | None, declared: Declared) -> Iterator[Fault]:
    """Yield what is wrong with a collapse."""
    single = tuple(name for name, one in declared.items() if one.single)
    if collapse and collapse.field not in single:
        detail = f"{collapse.field!r} is not a field to collapse by"
        yield Fault(detail, pointer="/collapse/field", allowed=single)


def highlight_faults(highlight: Highlight | None, index: IndexSettings) -> Iterator[Fault]:
    """Yield what is wrong with highlights."""
    for number, name in enumerate((highlight and highlight.fields) or ()):
        if name not in highlightable(index):
            detail = f"{name!r} is not a field to highlight"
            yield Fault(detail, pointer=f"/highlight/fields/{number}", allowed=highlightable(index))


def field_faults(fields: Sequence[str] | None, index: IndexSettings) -> Iterator[Fault]:
    """Yield what is wrong with the fields of an answer."""
    for number, name in enumerate(fields or ()):
        if not shown(name, index):
            detail = f"{name!r} is not a field of an answer"
            yield Fault(detail, pointer=f"/fields/{number}", allowed=tuple(index.result_fields))


def highlightable(index: IndexSettings) -> tuple[str, ...]:
    """Return the fields that can be highlighted: those that are searched and shown."""
    return tuple(name for name in index.lexical_fields if shown(name, index))


def shown(name: str, index: IndexSettings) -> bool:
    """Return whether an answer may hold the field."""
    if any(_within(name, path) for path in index.hidden):
        return False
    return not index.result_fields or any(_within(name, path) for path in index.result_fields)


def _within(name: str, path: str) -> bool:
    return f"{name}.".startswith(f"{path}.")


def order(steps: Sequence[Sort], declared: Declared) -> list[Json]:
    """Return the `sort` of a body. Raises KeyError for a field that is not declared."""
    return [_step(step, declared) for step in steps]


def _step(step: Sort, declared: Declared) -> Json:
    if step.field == SCORE:
        return {SCORE: {"order": step.order}}
    unmapped = UNMAPPED[declared[step.field].kind]
    missing = f"_{step.missing}"
    return {name_of(step.field, declared): {"order": step.order, "missing": missing, "unmapped_type": unmapped}}


def highlights(highlight: Highlight, index: IndexSettings, words: Json) -> Json:
    """Return the `highlight` of a body; `words` is the lexical part, whichever parts are searched."""
    one = {
        "fragment_size": highlight.length,
        "number_of_fragments": highlight.count,
        # What was found by its meaning alone has no words to show: then the beginning of the text.
        "no_match_size": highlight.length,
    }
    return {
        "type": "unified",
        "encoder": "html",
        "order": "score",
        "max_analyzed_offset": ANALYZED_CHARS,
        "highlight_query": words,
        "fields": dict.fromkeys(highlight.fields or highlightable(index), one),
    }


def source(fields: Sequence[str] | None, index: IndexSettings) -> Json | bool:
    """Return the `_source` of a body: what is hidden stays out, whatever is asked for."""
    if fields is not None and not fields:
        return False
    excludes: Json = {"excludes": list(index.hidden)}
    includes = list(fields or index.result_fields)
    return {"includes": includes, **excludes} if includes else excludes
