"""Documents like a document: its stored tokens are the query, so that nothing is inferred (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from search_api.model import Hit, Json, Message, Text, Tokens
from search_api.query.filters import Filter
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings

DocumentId = Annotated[Text, StringConstraints(min_length=1, max_length=512)]
MOST_TOKENS = 64
"""A document has more tokens than a query; the weaker ones change the order little and cost as much."""


STAND_IN = "similar"
"""A search has a text, and this one is not read."""


class SimilarRequest(Message):
    """A search for documents that are about the same as one of them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "500", "size": 5, "filters": [{"field": "year", "gte": 1990}]}]}
    )

    id: DocumentId = Field(description="Id of the document, as an answer gave it.")
    index: str | None = Field(None, description="Name of an index; default: the first.")
    size: int = Field(10, ge=1, strict=True, description="Most hits to return.")
    filters: list[Filter] = Field([], description="Conditions that every hit meets.")
    tokens: int = Field(
        32,
        ge=1,
        le=MOST_TOKENS,
        strict=True,
        description="How many of the document's tokens are looked for, the strongest first.",
    )
    fields: list[str] | None = Field(None, description="Fields of the documents to return; default: all.")


class SimilarResponse(BaseModel):
    """Documents that are about the same."""

    index: str
    id: str = Field(description="Of the document that was asked about; it is not among the hits.")
    took_ms: float
    partial: bool = Field(description="Whether a shard failed or ran out of time: there may be better hits.")
    hits: list[Hit]


def lookup(document_id: str, index: IndexSettings) -> Json:
    """Return the search that reads the tokens of a document."""
    query = {"ids": {"values": [document_id]}}
    return {"query": query, "size": 1, "_source": False, "fields": [index.semantic_field]}


def search(request: SimilarRequest) -> SearchRequest:
    """Return the search that is checked and asked in place of `request`: one by meaning, whose tokens are known."""
    return SearchRequest(
        query=STAND_IN,
        mode="semantic",
        index=request.index,
        size=request.size,
        filters=request.filters,
        fields=request.fields,
    )


def without(body: Json, document_id: str) -> Json:
    """Return the search of `body` without the document that its tokens are from."""
    query = {"must": [body["query"]], "must_not": [{"ids": {"values": [document_id]}}]}
    return {**body, "query": {"bool": query}}


def strongest(tokens: Tokens, most: int) -> Tokens:
    """Return the `most` tokens with the largest weights."""
    ordered = sorted(tokens.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered[:most])


def document(found: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the document that `lookup` found."""
    hits = found.get("hits", {}).get("hits", ())
    return hits[0] if hits else None
