"""What clients get, and the types that requests and answers are made of."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic.config import JsonDict

from search_api.freshness.model import Freshness

Mode = Literal["semantic", "lexical", "hybrid"]
Tokens = dict[str, float]
Json = dict[str, Any]

# Integers beyond this are not the same number everywhere (RFC 8259, section 6).
LARGEST = 2**53 - 1
VALUE_CHARS = 1_000


def _number(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")  # noqa: TRY004 - what pydantic expects of a validator
    # False for NaN too.
    if not -LARGEST <= value <= LARGEST:
        raise ValueError(f"must lie between -{LARGEST} and {LARGEST}")
    return value


def _value(value: object) -> str | int | float:
    if not isinstance(value, str):
        return _number(value)
    if len(value) > VALUE_CHARS:
        raise ValueError(f"must have at most {VALUE_CHARS} characters")
    return _unicode(value)


def _unicode(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("must be valid Unicode") from error
    return value


Number = Annotated[
    int | float,
    PlainValidator(_number),
    WithJsonSchema({"type": "number", "minimum": -LARGEST, "maximum": LARGEST}),
]
Value = Annotated[
    str | int | float,
    PlainValidator(_value),
    WithJsonSchema({"type": ["string", "number"], "maxLength": VALUE_CHARS, "minimum": -LARGEST, "maximum": LARGEST}),
]
Text = Annotated[str, StringConstraints(max_length=VALUE_CHARS), AfterValidator(_unicode)]
Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_unicode)]


class Message(BaseModel):
    """Part of a request; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Met(BaseModel):
    """A token that query and document both have, with its weights."""

    token: str
    query: float
    document: float
    adds: float


class Others(BaseModel):
    """Further tokens that met."""

    count: int
    adds: float


class Part(BaseModel):
    """What a part of the search added to a hit."""

    part: Literal["semantic", "lexical"]
    adds: float = Field(description="To the score of the hit.")
    score: float = Field(description="Of the part alone; 0 when it did not find the hit.")
    boost: float | None = Field(None, description="With fusion by score: `adds` is `score` times this.")
    rank: int | None = Field(None, description="With fusion by rank: the place in the part's list.")
    tokens: list[Met] | None = Field(
        None, description="Those that add most; none where the document's tokens cannot be read back."
    )
    other_tokens: Others | None = None


class Fusion(BaseModel):
    """How the parts were made one: the score adds up, or the reciprocal of `constant` plus each rank does."""

    by: Literal["score", "rank"]
    constant: int | None = None


class Explanation(BaseModel):
    """Why a hit stands where it stands."""

    fusion: Fusion
    parts: list[Part]


class Hit(BaseModel):
    """A document that was found."""

    id: str
    score: float | None = Field(description="Comparable within one answer only; none where hits are sorted otherwise.")
    source: dict[str, Any] = Field(description="The document, without tokens and internals.")
    highlights: dict[str, list[str]] | None = Field(
        None,
        description="Passages of each field, escaped for HTML: words between `<em>` and `</em>`, or its beginning.",
    )
    explanation: Explanation | None = Field(None, description="When that was asked for.")


class Count(BaseModel):
    """How many hits have a value, or lie in a range from `gte` up to, without, `lt`."""

    value: str | int | float | None = None
    gte: str | int | float | None = None
    lt: str | int | float | None = None
    count: int


class Counts(BaseModel):
    """The answer to a facet."""

    field: str
    values: list[Count] = Field(description="Those with the most hits first; ranges in their own order.")
    others: int = Field(description="Hits with values that are not listed, counted once for each value.")


ANSWER: JsonDict = {
    "index": "films",
    "query": "a heist that goes wrong",
    "mode": "hybrid",
    "took_ms": 12.4,
    "partial": False,
    "hits": [
        {
            "id": "500",
            "score": 0.0325,
            "source": {"title": "Reservoir Dogs", "year": 1992},
            "highlights": {"text": ["A botched robbery <em>goes</em> <em>wrong</em> &amp; one of them must be a rat."]},
        },
    ],
    "total": 1,
    "facets": [{"field": "genres", "values": [{"value": "Crime", "count": 1}], "others": 0}],
}


class SearchResponse(BaseModel):
    """What was found."""

    model_config = ConfigDict(json_schema_extra={"examples": [ANSWER]})

    index: str
    query: str
    mode: Mode
    took_ms: float = Field(description="Milliseconds in this service, Elasticsearch included.")
    partial: bool = Field(description="Whether a shard failed or ran out of time: there may be better hits.")
    degraded: Literal["inference"] | None = Field(
        None, description="`inference`: the query could not be turned into tokens, so these are hits by words alone."
    )
    hits: list[Hit]
    total: int | None = Field(None, description="How many documents match, when that was asked for.")
    freshness: Freshness | None = Field(None, description="How far the index had come when the search was sent.")
    facets: list[Counts] | None = Field(None, description="The counts that were asked for, in that order.")


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="What kind of problem: a path of this service that explains it.")
    title: str
    status: int
    detail: str | None = None
    request_id: str
    errors: list[dict[str, Any]] | None = Field(None, description="Each wrong part: where, `detail`, `allowed`.")
