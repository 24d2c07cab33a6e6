"""What clients send and get: the models that check requests and describe answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, StringConstraints, WithJsonSchema, model_validator
from pydantic.config import JsonDict

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
Query = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Message(BaseModel):
    """Part of a request; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(Message):
    """One filter: documents whose `field` has any of the values, or lies in the range."""

    field: str = Field(description="A field that the index declares as filterable.", examples=["genres"])
    any_of: list[Value] | None = Field(None, min_length=1, description="Values, one of which the field must have.")
    gte: Number | None = Field(None, description="At least.")
    gt: Number | None = Field(None, description="More than.")
    lte: Number | None = Field(None, description="At most.")
    lt: Number | None = Field(None, description="Less than.")

    @property
    def bounds(self) -> dict[str, int | float]:
        """The bounds that were given."""
        every = {"gte": self.gte, "gt": self.gt, "lte": self.lte, "lt": self.lt}
        return {name: bound for name, bound in every.items() if bound is not None}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.any_of is None) == (not self.bounds):
            raise ValueError("give either any_of or at least one of gte, gt, lte, lt")
        return self


EXAMPLE: JsonDict = {
    "query": "a heist that goes wrong",
    "mode": "hybrid",
    "size": 5,
    "filters": [{"field": "genres", "any_of": ["Crime", "Drama"]}, {"field": "year", "gte": 1990, "lte": 1999}],
}


class SearchRequest(Message):
    """A search. All filters must hold."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    query: Query = Field(description="What to look for, in plain words.")
    mode: Mode = Field("hybrid", description="By meaning, by words, or by both.")
    size: int = Field(10, ge=1, strict=True, description="Most hits to return.")
    index: str | None = Field(None, description="Name of an index; default: the first.")
    filters: list[Condition] = Field([], description="Conditions that every hit meets.")


class Hit(BaseModel):
    """A document that was found."""

    id: str
    score: float = Field(description="Comparable within one answer only.")
    source: dict[str, Any] = Field(description="The document, without tokens and internals.")


class SearchResponse(BaseModel):
    """What was found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "index": "films",
                    "query": "a heist that goes wrong",
                    "mode": "hybrid",
                    "took_ms": 12.4,
                    "partial": False,
                    "hits": [
                        {"id": "500", "score": 31.2, "source": {"title": "Reservoir Dogs", "year": 1992}},
                    ],
                }
            ]
        }
    )

    index: str
    query: str
    mode: Mode
    took_ms: float = Field(description="Milliseconds in this service, Elasticsearch included.")
    partial: bool = Field(description="Whether a shard failed or ran out of time: there may be better hits.")
    hits: list[Hit]


class Problem(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="What kind of problem: a path of this service that explains it.")
    title: str
    status: int
    detail: str | None = None
    request_id: str
    errors: list[dict[str, Any]] | None = Field(None, description="Each wrong part: where, `detail`, `allowed`.")
