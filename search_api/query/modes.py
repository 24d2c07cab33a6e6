"""How to look for it: by meaning, by words, or both in one list."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from search_api.model import Message, Query

Fusion = Literal["rrf", "weighted"]
Syntax = Literal["plain", "simple_query_string", "query_string"]
Weight = Annotated[float, Field(gt=0, le=1_000, allow_inf_nan=False, strict=True)]
WIDEST = 1_000
"""How many of the best of each part `rrf` may look at, and so how deep its pages go."""


class Lexical(Message):
    """The part that looks for words."""

    query: Query | None = Field(None, description="Words to look for, when not those of the whole query.")
    syntax: Syntax = Field("plain", description="Whether signs in the words mean something; see the documentation.")
    operator: Literal["or", "and"] = Field("or", description="Whether one word is enough or every one must be there.")
    typos: bool = Field(default=False, strict=True, description="Whether words that are spelt almost so count too.")
    prefix_length: int = Field(1, ge=0, le=10, strict=True, description="Letters at the beginning without typos.")
    fields: dict[str, Weight] | None = Field(
        None,
        min_length=1,
        description="Fields to look in, with boosts; default: the index's own.",
        examples=[{"title": 2}],
    )
    boost: Weight | None = Field(None, description="Weight beside the semantic part, with fusion `weighted`.")


class Semantic(Message):
    """The part that looks for meaning."""

    boost: Weight | None = Field(None, description="Weight beside the lexical part, with fusion `weighted`.")


class Rrf(Message):
    """Reciprocal rank fusion: a document scores 1 / (constant + rank) for its rank in each part."""

    window: int | None = Field(
        None, ge=1, le=WIDEST, strict=True, description="How many of the best of each part count."
    )
    constant: int = Field(60, ge=1, le=10_000, strict=True, description="The larger, the less the first ranks tell.")
