"""The two parts of a search as Elasticsearch queries: by meaning and by words."""

from __future__ import annotations

from search_api.model import Json, Tokens
from search_api.query import syntax
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings

FUZZINESS = "AUTO"
"""No typo in words of up to 2 letters, one up to 5, two beyond."""


def semantic(request: SearchRequest, index: IndexSettings, tokens: Tokens) -> Json:
    """Return the part that looks for meaning."""
    boost = _boost(request, request.semantic.boost, index.semantic_boost)
    # Said in each query, because servers differ in what they do when it is not.
    pruning = {"prune": index.prune, **({"pruning_config": _pruning(index)} if index.prune else {})}
    return {"sparse_vector": {"field": index.semantic_field, "query_vector": tokens, **pruning, "boost": boost}}


def _pruning(index: IndexSettings) -> Json:
    return {"tokens_freq_ratio_threshold": index.prune_ratio, "tokens_weight_threshold": index.prune_weight}


def lexical(request: SearchRequest, index: IndexSettings) -> Json:
    """Return the part that looks for words."""
    part: Json = {"query": request.lexical.query or request.query, "fields": _fields(request, index)}
    part["boost"] = _boost(request, request.lexical.boost, index.lexical_boost)
    if request.lexical.syntax != "plain":
        return _syntax(request, part)
    if request.lexical.operator == "and":
        part["operator"] = "and"
    return {"multi_match": {**part, **_kind(request, index)}}


def _kind(request: SearchRequest, index: IndexSettings) -> Json:
    if not request.lexical.typos:
        return {"type": index.lexical_type}
    # Elasticsearch refuses typos with cross_fields, which takes all fields for one.
    kind = "best_fields" if index.lexical_type == "cross_fields" else index.lexical_type
    return {"type": kind, "fuzziness": FUZZINESS, "prefix_length": request.lexical.prefix_length}


def _syntax(request: SearchRequest, part: Json) -> Json:
    # Lenient: a word that is no number must not fail a search that also looks in a field of numbers.
    part |= {"default_operator": request.lexical.operator, "lenient": True}
    if request.lexical.syntax == "query_string":
        # A leading wildcard would walk through all terms of a field.
        part |= {"query": syntax.safe(part["query"]), "allow_leading_wildcard": False}
    return {request.lexical.syntax: part}


def _fields(request: SearchRequest, index: IndexSettings) -> list[str]:
    boosts = request.lexical.fields or index.lexical_fields
    return [f"{name}^{boost:g}" for name, boost in boosts.items()]


def _boost(request: SearchRequest, asked: float | None, default: float) -> float:
    if request.mode != "hybrid" or request.by_rank:
        return 1.0
    return default if asked is None else asked
