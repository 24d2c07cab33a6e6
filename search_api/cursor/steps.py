"""The steps of a walk as requests and answers (pure): which searches can be walked, and the body of each page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from search_api.cursor.codec import Sort
from search_api.errors import Fault, InvalidRequest
from search_api.model import Json, Message, SearchResponse
from search_api.query.request import SearchRequest

BY_SCORE: Sequence[Json] = ({"_score": {"order": "desc"}},)
"""The order of a search that names none; Elasticsearch itself adds the place in the index, which makes it total."""
GRACE_S = 5
"""How much longer than its cursor a point in time lives, so that the cursor is what expires."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]


class WalkRequest(Message):
    """The first page of a walk through all hits of a search."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"search": {"query": "heist", "mode": "semantic", "size": 100}, "keep_alive_s": 60}]
        }
    )

    search: SearchRequest = Field(description="What to look for; `size` is that of a page.")
    keep_alive_s: int = Field(60, ge=1, strict=True, description="Longest time between two pages.")


class WalkResponse(SearchResponse):
    """A page."""

    cursor: str | None = Field(None, description="For the next page; none behind the last hit.")


class NextRequest(Message):
    """The next page of a walk."""

    cursor: Text = Field(description="As the last page gave it.")
    size: int | None = Field(None, ge=1, strict=True, description="Most hits of this page and the next ones.")


class CloseRequest(Message):
    """The end of a walk that is not walked to its end."""

    cursor: Text = Field(description="As the last page gave it.")


def check(wanted: WalkRequest, longest_s: int) -> None:
    """Raise InvalidRequest naming what of `wanted` cannot be walked."""
    if faults := list(_faults(wanted, longest_s)):
        raise InvalidRequest(*faults)


def _faults(wanted: WalkRequest, longest_s: int) -> Iterator[Fault]:
    search = wanted.search
    if search.by_rank:
        detail = "ranks are fused for the best hits only: walk with fusion weighted, or mode semantic or lexical"
        yield Fault(detail, pointer="/search/fusion", allowed=("weighted",))
    if search.offset:
        yield Fault("a walk begins at the first hit", pointer="/search/offset")
    if search.asks:
        detail = "a walk does not wait: let a search wait first, then walk"
        yield Fault(detail, pointer="/search/min_position" if search.min_position else "/search/max_age")
    if search.explain:
        yield Fault("hits are explained by a search, not by a walk", pointer="/search/explain")
    if search.collapse:
        yield Fault("hits that are collapsed cannot be walked", pointer="/search/collapse")
    if wanted.keep_alive_s > longest_s:
        yield Fault(f"keep_alive_s must be at most {longest_s}", pointer="/keep_alive_s")


def page_body(body: Json, point: str, keep_alive_s: int, after: Sequence[Sort]) -> Json:
    """Return the search for the page behind `after`, from `body`, which is that of the search itself."""
    page = {
        **body,
        "sort": body.get("sort") or list(BY_SCORE),
        "pit": {"id": point, "keep_alive": f"{keep_alive_s + GRACE_S}s"},
    }
    if not after:
        return page
    # What was counted on the first page stays as it is.
    page.pop("aggs", None)
    return {**page, "search_after": list(after), "track_total_hits": False}


def last_sort(found: Mapping[str, Any]) -> tuple[Sort, ...]:
    """Return the sort values of the last hit of an answer; none when it has no hits."""
    hits = found.get("hits", {}).get("hits", ())
    return tuple(hits[-1]["sort"]) if hits else ()
