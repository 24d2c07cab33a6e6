"""Suggestions as somebody types: titles, or whatever fields were chosen, with words that begin so (pure).

One request serves both mappings. On a `text` field `bool_prefix` asks for all words but the last as they are, and for
the last as a beginning; where the field is `search_as_you_type`, its parts `_2gram` and `_3gram` also tell the order of
words. A part that is not mapped matches nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from search_api.errors import Fault
from search_api.model import Json, Message, Query
from search_api.query import filters, presentation
from search_api.query.filters import Filter
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings

MOST = 20
SPARE = 4
"""How many times as many documents are asked for, since several may have the same title."""
LONGEST = 200
GRAMS = ("", "._2gram", "._3gram")


class SuggestRequest(Message):
    """What was typed so far."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "reservoir d", "size": 5}]})

    query: Query = Field(description="What was typed; its last word may be a beginning.")
    index: str | None = Field(None, description="Name of an index; default: the first.")
    fields: list[str] | None = Field(None, min_length=1, description="Fields to look in; default: all that suggest.")
    size: int = Field(5, ge=1, le=MOST, strict=True, description="Most suggestions.")
    filters: list[Filter] = Field([], description="Conditions that their documents meet.")


class Suggestion(BaseModel):
    """A text to search for, or a document to open."""

    text: str
    field: str
    id: str = Field(description="Of a document with this text.")


class SuggestResponse(BaseModel):
    """What may be meant."""

    index: str
    took_ms: float
    suggestions: list[Suggestion]


def search(request: SuggestRequest) -> SearchRequest:
    """Return the search that is checked in place of `request`."""
    return SearchRequest(
        query=request.query, mode="lexical", index=request.index, size=request.size, filters=request.filters
    )


def offered(index: IndexSettings) -> tuple[str, ...]:
    """Return the fields that suggest: those that were chosen, or the title, if an answer may hold it."""
    chosen = index.suggest_fields or (index.display.title,)
    return tuple(name for name in chosen if presentation.shown(name, index))


def faults(request: SuggestRequest, index: IndexSettings) -> Iterator[Fault]:
    """Yield what is wrong with the fields of `request`."""
    known = offered(index)
    if not known:
        yield Fault("the index makes no suggestions", pointer="/index")
    for number, name in enumerate(request.fields or ()):
        if name not in known:
            yield Fault(f"{name!r} is not a field that suggests", pointer=f"/fields/{number}", allowed=known)


def body(request: SuggestRequest, index: IndexSettings) -> Json:
    """Return the search for documents with what was typed."""
    chosen = request.fields or offered(index)
    query: Json = {"should": [_typed(name, request.query) for name in chosen], "minimum_should_match": 1}
    if clauses := filters.clauses(request.filters, index.filters):
        query["filter"] = clauses
    return {
        "query": {"bool": query},
        "size": request.size * SPARE,
        "_source": list(chosen),
        "track_total_hits": False,
    }


def _typed(field: str, text: str) -> Json:
    words = {"query": text, "type": "bool_prefix", "operator": "and", "fields": [f"{field}{gram}" for gram in GRAMS]}
    # Those that begin as it was typed, word for word, come first.
    phrase = {"match_phrase_prefix": {field: {"query": text, "boost": 2}}}
    return {"bool": {"must": [{"multi_match": words}], "should": [phrase], "_name": field}}


def answer(request: SuggestRequest, index: IndexSettings, found: Mapping[str, Any]) -> list[Json]:
    """Return the suggestions, each text once."""
    seen: dict[str, Json] = {}
    for hit in found.get("hits", {}).get("hits", ()):
        for field in request.fields or offered(index):
            if field in hit.get("matched_queries", ()):
                for text in _values(hit.get("_source", {}), field, request.query):
                    seen.setdefault(text.casefold(), {"text": text, "field": field, "id": hit["_id"]})
    return list(seen.values())[: request.size]


def _values(source: Mapping[str, Any], path: str, typed: str) -> Sequence[str]:
    texts = [text[:LONGEST] for text in _texts(source, path)]
    beginning = typed.rsplit(maxsplit=1)[-1].casefold()
    # Of several values only those that were meant, if it can be told: the index compares stems, not words.
    meant = [text for text in texts if any(word.startswith(beginning) for word in _words(text))]
    return meant or texts


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()


def _texts(value: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, list):
        for one in value:
            yield from _texts(one, path)
    elif isinstance(value, str) and not path:
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name == path:
                yield from _texts(inner, "")
            elif path.startswith(f"{name}."):
                yield from _texts(inner, path[len(name) + 1 :])
