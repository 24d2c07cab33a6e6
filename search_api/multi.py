"""Several searches in one request: each is answered, or has a problem of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from search_api import edge, errors
from search_api.errors import Fault, InvalidRequest
from search_api.model import Json, Message, Problem, SearchResponse


class MultiRequest(Message):
    """Searches that do not depend on each other."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"searches": [{"query": "heist"}, {"query": "heist", "mode": "lexical"}]}]}
    )

    # Each is checked by itself, so that one that is wrong takes no other with it.
    searches: list[dict[str, Any]] = Field(min_length=1, description="Searches as `POST /search` takes them.")


class Outcome(BaseModel):
    """How one search ended: with an answer or with a problem."""

    status: int = Field(description="As if it had been asked alone.")
    answer: SearchResponse | None = None
    problem: Problem | None = None


class MultiResponse(BaseModel):
    """The outcomes, in the order of the searches."""

    results: list[Outcome]


def check(wanted: MultiRequest, most: int) -> None:
    """Raise InvalidRequest when there are more than `most` searches."""
    if len(wanted.searches) > most:
        raise InvalidRequest(Fault(f"there may be at most {most} searches in a request", pointer="/searches"))


async def answers(wanted: MultiRequest, search: Callable[[Json], Awaitable[Json]], request_id: str) -> list[Json]:
    """Return an answer or a problem for each search, in their order; all are asked at once."""
    return list(await asyncio.gather(*(_answer(one, search, request_id) for one in wanted.searches)))


async def _answer(wanted: Json, search: Callable[[Json], Awaitable[Json]], request_id: str) -> Json:
    try:
        return {"status": 200, "answer": await search(wanted)}
    except Exception as error:  # noqa: BLE001 - as at the edge: what is not known becomes a 500 without its reason
        edge.note(error)
        problem = errors.problem(error, request_id)
        return {"status": problem["status"], "problem": problem}
