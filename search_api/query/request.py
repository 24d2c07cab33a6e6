"""The whole of a search, as clients send it."""

from __future__ import annotations

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from search_api.freshness.model import FreshnessWish
from search_api.model import Message, Mode, Number, Query
from search_api.query.facets import Facet
from search_api.query.filters import Filter
from search_api.query.modes import Fusion, Lexical, Rrf, Semantic
from search_api.query.presentation import Collapse, Highlight, Sort

EXAMPLE: JsonDict = {
    "query": "a heist that goes wrong",
    "mode": "hybrid",
    "size": 5,
    "filters": [{"field": "genres", "any_of": ["Crime", "Drama"]}, {"field": "year", "gte": 1990, "lte": 1999}],
    "facets": [{"field": "genres", "disjunctive": True}, {"field": "year", "interval": 10}],
    "highlight": {"fields": ["text"]},
}


class SearchRequest(FreshnessWish, Message):
    """A search. All filters must hold."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    query: Query = Field(description="What to look for, in plain words.")
    mode: Mode = Field("hybrid", description="By meaning, by words, or by both.")
    fusion: Fusion = Field("weighted", description="How hybrid makes one list of two: by ranks or by weighted scores.")
    lexical: Lexical = Field(Lexical(), description="The part that looks for words.")
    semantic: Semantic = Field(Semantic(), description="The part that looks for meaning.")
    rrf: Rrf = Field(Rrf(), description="How ranks are fused.")
    min_score: Number | None = Field(None, description="Leave out hits that score less; not with fusion `rrf`.")
    size: int = Field(10, ge=1, strict=True, description="Most hits to return.")
    offset: int = Field(0, ge=0, strict=True, description="Hits to leave out before the first one.")
    total: bool = Field(default=False, strict=True, description="Whether to count all that matches, which costs time.")
    index: str | None = Field(None, description="Name of an index; default: the first.")
    filters: list[Filter] = Field([], description="Conditions that every hit meets.")
    facets: list[Facet] = Field([], description="What to count.")
    sort: list[Sort] = Field([], description="Order of the hits; default: by score. Not with fusion `rrf`.")
    collapse: Collapse | None = Field(None, description="Show only the best of the hits that share a value.")
    highlight: Highlight | None = Field(None, description="Show where in the text the words were found.")
    fields: list[str] | None = Field(None, description="Fields of the documents to return; default: all.")
    explain: bool = Field(
        default=False, strict=True, description="Whether each hit says what its parts and tokens added; costs searches."
    )
    timeout_ms: int | None = Field(
        None,
        ge=10,
        strict=True,
        description="Time budget of this search; default, and most: what the service is set to.",
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """What is looked for: `semantic`, `lexical` or both."""
        return ("semantic", "lexical") if self.mode == "hybrid" else (self.mode,)

    @property
    def by_rank(self) -> bool:
        """Whether two lists are made one by their ranks."""
        return self.mode == "hybrid" and self.fusion == "rrf"
