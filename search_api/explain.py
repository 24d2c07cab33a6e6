"""Why a hit stands where it stands: what each part added, and which tokens of query and document met (pure).

The parts are asked once more, for the hits of the answer alone: their scores are Elasticsearch's own. The tokens come
from the document as it is stored. Elasticsearch keeps 9 significant bits of a weight, so that the sum over tokens can
differ from the score of the part by 0.4 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from search_api.model import Json, Tokens
from search_api.query import filters, parts
from search_api.query.builder import window
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings

MOST_TOKENS = 25
"""How many of the tokens that met are named: never all that a document has."""

Found = Mapping[str, Any]
"""An answer of Elasticsearch."""


class Findings(msgspec.Struct, frozen=True):
    """What the parts said: scores by id, tokens of documents by id, and with ranks the ids in their order."""

    scores: Mapping[str, Mapping[str, float]]
    tokens: Mapping[str, Tokens]
    ranks: Mapping[str, Sequence[str]]


def asked(request: SearchRequest, index: IndexSettings, tokens: Tokens | None) -> dict[str, Json]:
    """Return the parts of `request` as queries, by name."""
    found = {}
    if tokens is not None:
        found["semantic"] = parts.semantic(request, index, tokens)
    if "lexical" in request.parts:
        found["lexical"] = parts.lexical(request, index)
    return found


def score_body(part: Json, ids: Sequence[str], index: IndexSettings) -> Json:
    """Return the search that scores the documents `ids` by one part, with their tokens where the part reads them."""
    body: Json = {
        "query": {"bool": {"must": [part], "filter": [{"ids": {"values": list(ids)}}]}},
        "size": len(ids),
        "_source": False,
    }
    # Not from `_source`: from 9.2 on it comes without vectors, and `fields` reads them wherever they are stored.
    return body | {"fields": [index.semantic_field]} if "sparse_vector" in part else body


def rank_body(part: Json, request: SearchRequest, index: IndexSettings) -> Json:
    """Return the search that ranks documents by one part, as fusion by rank does."""
    query: Json = {"must": [part]}
    if clauses := filters.clauses(request.filters, index.filters):
        query["filter"] = clauses
    return {"query": {"bool": query}, "size": window(request), "_source": False}


def findings(scored: Mapping[str, Found], ranked: Mapping[str, Found], index: IndexSettings) -> Findings:
    """Return what the answers to the bodies above say; both by the name of the part."""
    return Findings(
        scores={part: {hit["_id"]: hit["_score"] for hit in _hits(found)} for part, found in scored.items()},
        tokens={hit["_id"]: tokens for found in scored.values() for hit, tokens in _with_tokens(found, index)},
        ranks={part: [hit["_id"] for hit in _hits(found)] for part, found in ranked.items()},
    )


def stored_tokens(hit: Found, index: IndexSettings) -> Tokens | None:
    """Return the tokens of a hit that was asked for `fields`; None when it has none, or they cannot be read back."""
    merged: Tokens = {}
    for one in hit.get("fields", {}).get(index.semantic_field, ()):
        for token, weight in one.items():
            # Of several maps in one field Elasticsearch takes the larger weight.
            merged[token] = max(merged.get(token, 0.0), float(weight))
    return merged or None


def explanation(
    hit_id: str, request: SearchRequest, said: Findings, query: Tokens | None, boosts: Mapping[str, float]
) -> Json:
    """Return the explanation of one hit; `boosts` are the parts' own."""
    told = [_part(part, hit_id, request, said, boosts[part]) for part in said.scores]
    if query is not None and told[0]["score"]:
        told[0] |= met(query, said.tokens.get(hit_id), boosts["semantic"])
    return {"fusion": _fusion(request), "parts": told}


def boost(part: Json) -> float:
    """Return the weight that a part was given."""
    (inner,) = part.values()
    found: float = inner["boost"]
    return found


def _part(part: str, hit_id: str, request: SearchRequest, said: Findings, boost: float) -> Json:
    weighed = said.scores[part].get(hit_id, 0.0)
    if not request.by_rank:
        return {"part": part, "adds": weighed, "score": weighed / boost, "boost": boost}
    order = said.ranks[part]
    rank = order.index(hit_id) + 1 if hit_id in order else None
    adds = 0.0 if rank is None else 1 / (request.rrf.constant + rank)
    return {"part": part, "adds": adds, "score": weighed, "rank": rank}


def _fusion(request: SearchRequest) -> Json:
    if request.by_rank:
        return {"by": "rank", "constant": request.rrf.constant}
    return {"by": "score"}


def met(query: Tokens, document: Tokens | None, boost: float = 1.0) -> Json:
    """Return the tokens that both have, those that add most first, and what the others add together.

    `tokens` is None when the document's tokens cannot be read back.
    """
    if document is None:
        return {"tokens": None}
    rows = sorted(_rows(query, document, boost), key=lambda row: (-row["adds"], row["token"]))
    rest = rows[MOST_TOKENS:]
    return {
        "tokens": rows[:MOST_TOKENS],
        "other_tokens": {"count": len(rest), "adds": sum(row["adds"] for row in rest)},
    }


def _rows(query: Tokens, document: Tokens, boost: float) -> Iterator[Json]:
    for token in query.keys() & document.keys():
        adds = query[token] * document[token] * boost
        yield {"token": token, "query": query[token], "document": document[token], "adds": adds}


def _hits(found: Found) -> Sequence[Found]:
    hits: Sequence[Found] = found.get("hits", {}).get("hits", ())
    return hits


def _with_tokens(found: Found, index: IndexSettings) -> Iterator[tuple[Found, Tokens]]:
    for hit in _hits(found):
        if tokens := stored_tokens(hit, index):
            yield hit, tokens
