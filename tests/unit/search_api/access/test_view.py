"""The one way to the door: every search carries its caller's filters, and what could see more is not sent."""

import ast

import pytest

from search_api.access.principal import LOCAL, Principal
from search_api.access.view import Views
from search_api.errors import Forbidden, UnknownIndex
from search_api.query.filters import Condition
from search_api.settings import IndexSettings
from tests.unit.search_api.fakes import INDEX
from tests.unit.sources import modules

CRIME = Condition(field="genres", any_of=["Crime"])
CLAUSE = {"terms": {"genres": ["Crime"]}}
QUERY = {"match": {"text": "heist"}}
NARROWED = {"bool": {"must": [QUERY], "filter": [CLAUSE]}}


def views():
    return Views(IndexSettings(**{**INDEX, "name": name, "alias": f"{name}-alias"}) for name in ("films", "books"))


def ask(body, *filters):
    return views().of(Principal("x", filters=filters), "films").ask(body)


def test_without_filters_a_body_goes_as_it_is():
    body = {"query": QUERY, "size": 1}
    assert ask(body).body == body
    assert ask({"size": 0}).body == {"size": 0}


def test_a_query_is_narrowed():
    question = ask({"query": QUERY, "size": 1}, CRIME)
    assert (question.alias, question.body) == ("films-alias", {"query": NARROWED, "size": 1})


def test_what_asks_for_everything_gets_what_is_its_own():
    assert ask({"size": 1}, CRIME).body == {"query": {"bool": {"filter": [CLAUSE]}}, "size": 1}


def test_every_part_of_a_retriever_is_narrowed():
    one = {"standard": {"query": QUERY, "min_score": 1}}
    asked = ask(
        {"retriever": {"rrf": {"retrievers": [one, {"rrf": {"retrievers": [one]}}], "rank_constant": 3}}}, CRIME
    )
    narrowed = {"standard": {"query": NARROWED, "min_score": 1}}
    rrf = {"retrievers": [narrowed, {"rrf": {"retrievers": [narrowed]}}], "rank_constant": 3}
    assert asked.body == {"retriever": {"rrf": rrf}}


@pytest.mark.parametrize(
    "part",
    [
        {"suggest": {}},
        {"knn": {}},
        {"rescore": {}},
        {"runtime_mappings": {}},
        {"script_fields": {}},
        {"aggs": {"all": {"global": {}}}},
        {"aggs": {"own": {"filter": {}, "aggs": {"all": {"global": {}}}}}},
    ],
)
def test_what_could_see_more_is_refused(part):
    with pytest.raises(ValueError, match=r"may see more|does not find"):
        ask({"query": QUERY, **part}, CRIME)


def test_a_retriever_that_is_not_known_is_refused():
    with pytest.raises(KeyError):
        ask({"retriever": {"text_similarity_reranker": {"retriever": {"standard": {"query": QUERY}}}}}, CRIME)


def test_a_filter_that_does_not_fit_the_index_sees_nothing():
    with pytest.raises(Forbidden, match="do not fit index 'films'"):
        ask({"query": QUERY}, Condition(field="tenant", any_of=["a"]))


def test_indices_of_others_do_not_exist():
    principal = Principal("x", indices=frozenset({"books"}))
    assert [index.name for index in views().indices(principal)] == ["books"]
    assert views().of(principal, None).index.name == "books"
    for name in ("films", "nothing"):
        with pytest.raises(UnknownIndex) as caught:
            views().of(principal, name)
        assert caught.value.faults[0].allowed == ("books",)
        assert f"{name!r}" in str(caught.value)


def test_who_may_search_nothing_is_told_so():
    with pytest.raises(UnknownIndex):
        views().of(Principal("x", indices=frozenset()), None)


def test_everybody_on_this_machine_sees_everything_while_there_is_no_key():
    assert [index.name for index in views().indices(LOCAL)] == ["films", "books"]


def test_only_a_view_makes_questions():
    made = {
        module.name
        for module in modules("search_api")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Question"
    }
    assert made == {"search_api.access.view"}
