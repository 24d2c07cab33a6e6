"""A search between its checks and Elasticsearch: what is asked, of which index, with which tokens (pure)."""

from __future__ import annotations

import msgspec

from search_api import results
from search_api.access.view import View
from search_api.model import Json, Tokens
from search_api.query import builder
from search_api.query.request import SearchRequest


class Prepared(msgspec.Struct, frozen=True):
    """A search that was checked and has its tokens, if they could be had: ready to be asked."""

    request: SearchRequest
    view: View
    tokens: Tokens | None

    @property
    def asked(self) -> SearchRequest:
        """What is asked of Elasticsearch: without tokens, the part that needs none."""
        return by_words(self.request) if self.tokens is None else self.request

    @property
    def body(self) -> Json:
        """The body of the search."""
        return builder.body(self.asked, self.view.index, self.tokens)

    def answer(self, found: Json, took_ms: float) -> Json:
        """Return our answer from that of Elasticsearch."""
        answer = results.answer(self.request, self.view.index, found, took_ms)
        if self.asked.mode != self.request.mode:
            answer["degraded"] = "inference"
        return answer


def by_words(request: SearchRequest) -> SearchRequest:
    """Return the part of `request` that needs no tokens; a least score was meant for other scores."""
    return request if request.mode == "lexical" else request.model_copy(update={"mode": "lexical", "min_score": None})
