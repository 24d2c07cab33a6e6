"""Answers: what is shown, and that internals never are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_api import results
from search_api.query.request import SearchRequest
from search_api.settings import IndexSettings
from tests.unit.search_api.fakes import FILMS, INDEX, INTERNALS

REQUEST = SearchRequest(query="heist", mode="semantic")


def answer(found, **changes):
    return results.answer(REQUEST, IndexSettings(**{**INDEX, **changes}), found, 12.345)


def test_an_answer_is_whole():
    found = {
        "timed_out": False,
        "_shards": {"failed": 0},
        "hits": {"hits": [{"_id": "1", "_score": 3.5, "_source": {**FILMS["1"], **INTERNALS}}]},
    }
    assert answer(found) == {
        "index": "films",
        "query": "heist",
        "mode": "semantic",
        "took_ms": 12.3,
        "partial": False,
        "hits": [{"id": "1", "score": 3.5, "source": FILMS["1"]}],
    }


def test_no_hits_leave_no_trace_in_a_shortened_answer():
    assert answer({"timed_out": False, "_shards": {"failed": 0}})["hits"] == []


@pytest.mark.parametrize(
    ("found", "partial"),
    [
        ({"timed_out": True, "_shards": {"failed": 0}}, True),
        ({"timed_out": False, "_shards": {"failed": 1}}, True),
        ({"timed_out": False, "_shards": {"failed": 0}}, False),
        ({}, False),
    ],
)
def test_what_is_not_whole_is_said_to_be_partial(found, partial):
    assert answer(found)["partial"] is partial


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}),
        ({"ml": {"tokens": {"x": 1}, "kept": 1}}, {"ml": {"kept": 1}}),
        ({"ml.tokens": {"x": 1}, "a": 1}, {"a": 1}),
        ({"ml.tokens.x": 1, "a": 1}, {"a": 1}),
        ({"ml": [{"tokens": 1, "kept": 1}, "text"]}, {"ml": [{"kept": 1}, "text"]}),
        ({"ml": "a text"}, {"ml": "a text"}),
        ({"mlx": {"tokens": 1}}, {"mlx": {"tokens": 1}}),
    ],
)
def test_a_path_is_taken_out_however_it_is_written(source, kept):
    assert results.without(source, "ml.tokens") == kept


def test_half_dotted_paths_are_taken_out():
    assert results.without({"a.b": {"c": 1, "d": 2}, "a": {"b.c": 1, "e": 3}}, "a.b.c") == {
        "a.b": {"d": 2},
        "a": {"e": 3},
    }


def paths(value, prefix=""):
    if isinstance(value, list):
        for item in value:
            yield from paths(item, prefix)
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{prefix}{name}"
            yield from paths(inner, f"{prefix}{name}.")


NAME = st.sampled_from(
    ["title", "_streamer", "_streamer.offset", "text_embedding", "ml", "tokens", "ml.tokens", "model_id"]
)
SOURCES = st.recursive(
    st.integers(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAME, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(NAME, SOURCES, max_size=5))
def test_whatever_is_stored_hidden_paths_never_leave(source):
    found = {"hits": {"hits": [{"_id": "1", "_score": 1.0, "_source": source}]}}
    (hit,) = answer(found, hidden_fields=["ml.tokens"])["hits"]
    hidden = IndexSettings(**{**INDEX, "hidden_fields": ["ml.tokens"]}).hidden
    leaked = [name for name in paths(hit["source"]) if any(f"{name}.".startswith(f"{path}.") for path in hidden)]
    assert leaked == []
