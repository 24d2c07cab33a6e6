"""The bodies that go to Elasticsearch, compared whole."""

import pytest

from search_api.query import builder
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings
from tests.unit.search_api.fakes import INDEX

TOKENS = {"heist": 2.0, "bank": 0.5}
EXCLUDES = {"excludes": ["text_embedding", "model_id", "is_truncated", "_streamer"]}


def index(**changes):
    return IndexSettings(**{**INDEX, **changes})


def body(tokens=TOKENS, of=None, **request):
    return builder.body(SearchRequest(query="the heist", **request), of or index(), tokens)


def semantic(boost=1.0, prune=False):
    return {
        "sparse_vector": {"field": "text_embedding", "query_vector": TOKENS, "prune": prune, "boost": boost},
    }


def lexical(boost=1.0):
    return {
        "multi_match": {"query": "the heist", "type": "best_fields", "fields": ["title^1", "text^1"], "boost": boost},
    }


def whole(*parts, **clauses):
    return {
        "query": {"bool": {"should": list(parts), "minimum_should_match": 1, **clauses}},
        "size": 10,
        "_source": EXCLUDES,
        "track_total_hits": False,
    }


def test_semantic_asks_by_tokens_and_says_whether_to_prune():
    assert body(mode="semantic") == whole(semantic())


def test_pruning_is_a_setting():
    expected = semantic(prune=True)
    expected["sparse_vector"]["pruning_config"] = {"tokens_freq_ratio_threshold": 7, "tokens_weight_threshold": 0.4}
    assert body(mode="semantic", of=index(prune=True, prune_ratio=7)) == whole(expected)


def test_lexical_asks_by_words_without_tokens():
    assert body(tokens=None, mode="lexical") == whole(lexical())


def test_hybrid_is_the_default_and_weighs_both():
    assert body() == whole(semantic(boost=1.0), lexical(boost=4.0))


def test_boosts_are_settings():
    weighed = index(semantic_boost=2.5, lexical_boost=0.5)
    assert body(of=weighed) == whole(semantic(boost=2.5), lexical(boost=0.5))


def test_field_boosts_are_written_shortly():
    weighed = index(lexical_fields={"title": 2, "text": 0.25})
    part = body(tokens=None, mode="lexical", of=weighed)["query"]["bool"]["should"][0]
    assert part["multi_match"]["fields"] == ["title^2", "text^0.25"]


def test_filters_narrow_and_do_not_score():
    filters = [{"field": "genres", "any_of": ["Crime", "Drama"]}, {"field": "year", "gte": 1990, "lt": 2000}]
    clauses = [{"terms": {"genres": ["Crime", "Drama"]}}, {"range": {"year": {"gte": 1990, "lt": 2000}}}]
    assert body(mode="semantic", filters=filters) == whole(semantic(), filter=clauses)


def test_size_and_fields_of_the_answer():
    shown = body(mode="lexical", size=3, of=index(result_fields=["title"]))
    assert shown["size"] == 3
    assert shown["_source"] == {"includes": ["title"], **EXCLUDES}


@pytest.mark.parametrize(("mode", "needed"), [("semantic", True), ("lexical", False), ("hybrid", True)])
def test_only_meaning_needs_tokens(mode, needed):
    assert builder.needs_tokens(SearchRequest(query="x", mode=mode)) is needed
