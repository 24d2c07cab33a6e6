"""Explanations: the arithmetic of parts, ranks and tokens."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_api import explain
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings
from tests.unit.search_api.fakes import INDEX

QUERY = {"heist": 2.0, "bank": 1.0, "night": 0.5}
DOCUMENT = {"heist": 1.5, "bank": 3.0, "dog": 9.0}
OF_INDEX = IndexSettings(**INDEX)

weights = st.dictionaries(st.text(max_size=3), st.floats(0.01, 5), max_size=80)


def request(**changes):
    return SearchRequest(query="the heist", **changes)


def hits(*scores, **fields):
    return {"hits": {"hits": [{"_id": id_, "_score": score, **fields.get(id_, {})} for id_, score in scores]}}


def stored(*maps):
    return {"fields": {"text_embedding": list(maps)}}


def test_only_what_met_is_told_what_adds_most_first():
    assert explain.met(QUERY, DOCUMENT, boost=2.0) == {
        "tokens": [
            {"token": "bank", "query": 1.0, "document": 3.0, "adds": 6.0},
            {"token": "heist", "query": 2.0, "document": 1.5, "adds": 6.0},
        ],
        "other_tokens": {"count": 0, "adds": 0},
    }


@given(weights, weights)
def test_the_tokens_add_up_to_the_product_and_are_never_all(query, document):
    found = explain.met(query, document)
    product = math.fsum(weight * document.get(token, 0.0) for token, weight in query.items())
    told = math.fsum(row["adds"] for row in found["tokens"]) + found["other_tokens"]["adds"]
    assert told == pytest.approx(product, abs=1e-9)
    assert len(found["tokens"]) <= explain.MOST_TOKENS
    assert len(found["tokens"]) + found["other_tokens"]["count"] == len(query.keys() & document.keys())
    assert {row["token"] for row in found["tokens"]} <= query.keys()


def test_tokens_that_cannot_be_read_back_are_told_as_unknown():
    assert explain.met(QUERY, None) == {"tokens": None}


@pytest.mark.parametrize(
    ("hit", "tokens"),
    [
        ({}, None),
        (stored(), None),
        (stored({}), None),
        (stored({"a": 1, "b": 2.5}), {"a": 1.0, "b": 2.5}),
        # Two texts in one field: Elasticsearch takes the larger weight.
        (stored({"a": 1, "b": 2.5}, {"a": 3, "c": 1}), {"a": 3.0, "b": 2.5, "c": 1.0}),
    ],
)
def test_tokens_as_a_document_stores_them(hit, tokens):
    assert explain.stored_tokens(hit, OF_INDEX) == tokens


def test_weighted_parts_add_up_to_the_score():
    wanted = request(fusion="weighted", semantic={"boost": 2.0}, lexical={"boost": 3.0})
    scored = {"semantic": hits(("1", 12.0), **{"1": stored(DOCUMENT)}), "lexical": hits(("2", 6.0))}
    said = explain.findings(scored, {}, OF_INDEX)
    one = explain.explanation("1", wanted, said, QUERY, {"semantic": 2.0, "lexical": 3.0})
    assert one["fusion"] == {"by": "score"}
    semantic, lexical = one["parts"]
    assert (semantic["part"], semantic["adds"], semantic["score"], semantic["boost"]) == ("semantic", 12.0, 6.0, 2.0)
    assert [row["adds"] for row in semantic["tokens"]] == [6.0, 6.0]
    assert lexical == {"part": "lexical", "adds": 0.0, "score": 0.0, "boost": 3.0}
    other = explain.explanation("2", wanted, said, QUERY, {"semantic": 2.0, "lexical": 3.0})
    assert other["parts"][0] == {"part": "semantic", "adds": 0.0, "score": 0.0, "boost": 2.0}
    assert other["parts"][1]["score"] == 2.0


def test_ranks_add_their_reciprocals():
    wanted = request(fusion="rrf", rrf={"constant": 10})
    scored = {"semantic": hits(("1", 12.0)), "lexical": hits(("1", 6.0), ("2", 5.0))}
    ranked = {"semantic": hits(("9", 20.0), ("1", 12.0)), "lexical": hits(("2", 7.0))}
    said = explain.findings(scored, ranked, OF_INDEX)
    one = explain.explanation("1", wanted, said, QUERY, {"semantic": 1.0, "lexical": 1.0})
    assert one["fusion"] == {"by": "rank", "constant": 10}
    semantic, lexical = one["parts"]
    assert (semantic["rank"], semantic["adds"], semantic["score"]) == (2, 1 / 12, 12.0)
    # Its words were found, but not among the best.
    assert lexical == {"part": "lexical", "adds": 0.0, "score": 6.0, "rank": None}


def test_parts_are_asked_for_the_hits_alone():
    asked = explain.asked(request(), OF_INDEX, QUERY)
    assert list(asked) == ["semantic", "lexical"]
    body = explain.score_body(asked["semantic"], ["1", "2"], OF_INDEX)
    assert body["query"]["bool"]["filter"] == [{"ids": {"values": ["1", "2"]}}]
    assert (body["size"], body["_source"], body["fields"]) == (2, False, ["text_embedding"])
    assert "fields" not in explain.score_body(asked["lexical"], ["1"], OF_INDEX)


def test_ranks_are_asked_with_the_filters_of_the_search():
    wanted = request(filters=[{"field": "genres", "any_of": ["Crime"]}])
    body = explain.rank_body({"part": 1}, wanted, OF_INDEX)
    assert body == {
        "query": {"bool": {"must": [{"part": 1}], "filter": [{"terms": {"genres": ["Crime"]}}]}},
        "size": 100,
        "_source": False,
    }
