"""The metric against values worked out by hand, and the judged collections against what their provenance says."""

from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.relevance import judged
from tests.relevance.ndcg import dcg, mean_ndcg, ndcg

GRADES = {"a": 2, "b": 1, "c": 0}


def test_dcg_by_hand():
    # gains 3, 1, 0, 3 at discounts log2(2) = 1, log2(3), log2(4) = 2, log2(5)
    assert dcg([2, 1, 0, 2], depth=4) == pytest.approx(3 + 1 / log2(3) + 3 / log2(5))
    assert dcg([2, 1, 0, 2], depth=2) == pytest.approx(3.6309298)
    assert dcg([-1], depth=1) == 0


@pytest.mark.parametrize(
    ("ranking", "expected"),
    [
        (["a", "b", "c"], 1.0),
        (["b", "a"], (1 + 3 / log2(3)) / (3 + 1 / log2(3))),  # 2.892789 / 3.630930
        (["x", "y", "a"], 1.5 / 3.6309298),  # unjudged first, 3 / log2(4) at rank 3
        (["c"], 0.0),
        ([], 0.0),
    ],
)
def test_ndcg_by_hand(ranking, expected):
    assert ndcg(ranking, GRADES) == pytest.approx(expected)


def test_only_the_first_ten_count():
    assert ndcg([*"0123456789", "a"], {"a": 1}) == 0
    assert ndcg([*"012345678", "a"], {"a": 1}) == pytest.approx(1 / log2(11))


def test_the_ideal_is_cut_at_the_same_depth():
    grades = {str(number): 1 for number in range(20)}
    assert ndcg([str(number) for number in range(10)], grades) == 1


def test_what_means_nothing_is_refused():
    with pytest.raises(ValueError, match="twice"):
        ndcg(["a", "a"], GRADES)
    with pytest.raises(ValueError, match="relevant"):
        ndcg(["a"], {"a": 0})


def test_an_unanswered_query_counts_nothing():
    assert mean_ndcg({"q1": ["a", "b"]}, {"q1": GRADES, "q2": GRADES}) == pytest.approx(0.5)


@given(st.dictionaries(st.text(min_size=1), st.integers(0, 3), min_size=1), st.randoms())
def test_no_order_beats_the_ideal(grades, random):
    grades["relevant"] = 1
    ranking = list(grades)
    random.shuffle(ranking)
    best = sorted(grades, key=lambda document: -grades[document])
    assert 0 <= ndcg(ranking, grades) <= 1 + 1e-9
    assert ndcg(best, grades) == pytest.approx(1)


@pytest.mark.parametrize(
    ("collection", "sizes"), [(judged.noveleval, (420, 21, 420)), (judged.films, (9750, 1000, 23945))]
)
def test_collections_are_whole(collection, sizes):
    data = collection()
    ids = {document["id"] for document in judged.documents(data.documents)}
    found = [document for judgments in data.judgments.values() for document in judgments]
    assert (len(ids), len(data.queries), len(found)) == sizes
    assert set(data.judgments) == set(data.queries)
    assert set(found) <= ids
    assert all(max(judgments.values()) > 0 for judgments in data.judgments.values())


def test_films_without_text():
    films = judged.documents(judged.FILMS)
    assert sum(not film["text"] for film in films) == 57
