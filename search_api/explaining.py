"""Asking for what explanations are made of: the parts of a search once more, for its hits alone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from search_api import explain
from search_api.access.view import View
from search_api.elastic import Door
from search_api.model import Json
from search_api.prepared import Prepared


class Explainer:
    """Adds explanations to answers."""

    def __init__(self, door: Door) -> None:
        """Ask through `door`."""
        self._door = door

    async def add(self, prepared: Prepared, answer: Json) -> None:
        """Give each hit of `answer` its explanation. Raises ElasticError, Overloaded."""
        ids = [hit["id"] for hit in answer["hits"]]
        if not ids:
            return
        index, request = prepared.view.index, prepared.asked
        asked = explain.asked(request, index, prepared.tokens)
        scores = {part: explain.score_body(query, ids, index) for part, query in asked.items()}
        ranks = {part: explain.rank_body(query, request, index) for part, query in asked.items() if request.by_rank}
        scored, ranked = await asyncio.gather(self._found(scores, prepared.view), self._found(ranks, prepared.view))
        said = explain.findings(scored, ranked, index)
        boosts = {part: explain.boost(query) for part, query in asked.items()}
        for hit in answer["hits"]:
            hit["explanation"] = explain.explanation(hit["id"], request, said, prepared.tokens, boosts)

    async def _found(self, bodies: Mapping[str, Json], view: View) -> dict[str, Json]:
        found = await asyncio.gather(*(self._door.search(view.ask(body)) for body in bodies.values()))
        return dict(zip(bodies, found, strict=True))
