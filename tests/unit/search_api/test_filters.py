"""Filters: what passes, what is refused, and that nothing else ever reaches Elasticsearch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from search_api.errors import InvalidRequest
from search_api.model import LARGEST
from search_api.query import builder, filters, url
from search_api.query.check import check
from search_api.query.filters import Condition
from search_api.query.request import SearchRequest
from search_api.settings import FilterSettings, IndexSettings
from tests.unit.search_api.fakes import INDEX

KINDS = {
    "genres": FilterSettings(kind="keyword"),
    "year": FilterSettings(kind="integer"),
    "rating": FilterSettings(kind="number"),
    "director": FilterSettings(kind="keyword", field="director.keyword"),
    "a.gte": FilterSettings(kind="keyword"),
    "seen": FilterSettings(kind="date"),
}


FILTERS = TypeAdapter(list[filters.Filter])


def clauses(*wanted):
    found = FILTERS.validate_python(list(wanted))
    assert list(filters.faults(found, KINDS, "/filters")) == []
    return filters.clauses(found, KINDS)


def refused(*wanted):
    return list(filters.faults(FILTERS.validate_python(list(wanted)), KINDS, "/filters"))


def test_values_are_alternatives():
    assert clauses({"field": "genres", "any_of": ["A", "B"]}) == [{"terms": {"genres": ["A", "B"]}}]


def test_numbers_take_values_and_bounds():
    assert clauses({"field": "year", "any_of": [1990]}, {"field": "rating", "gt": 6.5, "lte": 9}) == [
        {"terms": {"year": [1990]}},
        {"range": {"rating": {"gt": 6.5, "lte": 9}}},
    ]


def test_a_field_may_have_another_name_in_elasticsearch():
    assert clauses({"field": "director", "any_of": ["A"]}) == [{"terms": {"director.keyword": ["A"]}}]


def test_a_number_must_fit_the_field():
    (fault,) = refused({"field": "year", "gte": 1, "lte": 2**31})
    assert fault.pointer == "/filters/0/lte"
    assert "2147483647" in fault.detail
    assert clauses({"field": "rating", "lte": 2**31}) == [{"range": {"rating": {"lte": 2**31}}}]


def test_an_unknown_field_is_named_with_those_that_exist():
    (fault,) = refused({"field": "_streamer.offset", "gte": 1})
    assert fault.pointer == "/filters/0/field"
    assert fault.allowed == tuple(KINDS)
    assert "'_streamer.offset'" in fault.detail


def test_a_keyword_field_takes_no_bounds():
    (fault,) = refused({"field": "genres", "gte": 1})
    assert (fault.pointer, fault.allowed) == ("/filters/0/gte", ("any_of", "prefix", "exists"))


def test_each_value_of_the_wrong_type_is_named():
    faults = refused({"field": "genres", "any_of": ["A", 1]}, {"field": "year", "any_of": ["1990"]})
    assert [fault.pointer for fault in faults] == ["/filters/0/any_of/1", "/filters/1/any_of/0"]


@pytest.mark.parametrize(
    "condition",
    [
        {"field": "genres"},
        {"field": "genres", "any_of": []},
        {"field": "genres", "any_of": None},
        {"field": "year", "any_of": [1], "gte": 1},
        {"field": "year", "gte": True},
        {"field": "year", "gte": float("inf")},
        {"field": "year", "gte": float("nan")},
        {"field": "year", "gte": LARGEST + 1},
        {"field": "year", "any_of": [10**400]},
        {"field": "genres", "any_of": [{"script": "x"}]},
        {"field": "genres", "any_of": ["x" * 1001]},
        {"field": "genres", "any_of": ["\ud800"]},
        {"field": "genres", "any_of": ["A"], "boost": 2},
        {"term": {"genres": "A"}},
    ],
)
def test_conditions_of_another_shape_are_refused(condition):
    with pytest.raises(ValidationError):
        Condition(**condition)


def test_a_url_names_values_and_bounds():
    said = [("genres", "Drama"), ("genres", "Crime"), ("year.gte", "1990"), ("year.lte", "1999"), ("rating", "-7.5")]
    assert url.filters(said, KINDS) == [
        {"field": "genres", "any_of": ["Drama", "Crime"]},
        {"field": "year", "gte": 1990, "lte": 1999},
        {"field": "rating", "any_of": [-7.5]},
    ]


def test_empty_parameters_say_nothing():
    assert url.filters([("genres", ""), ("year.gte", "")], KINDS) == []


def test_a_prefix_helps_where_the_service_has_a_parameter_of_that_name():
    assert url.filters([("filter.size", "4")], {"size": FilterSettings(kind="number")}) == [
        {"field": "size", "any_of": [4]}
    ]


def test_a_field_that_ends_like_an_operator_is_a_field():
    assert url.filters([("a.gte", "x")], KINDS) == [{"field": "a.gte", "any_of": ["x"]}]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("actor", "x", tuple(KINDS)),
        ("director.keyword", "x", tuple(KINDS)),
        ("year.lte", "3000000000", ()),
        ("year.above", "1", tuple(KINDS)),
        ("genres.gte", "1", ("any_of", "prefix", "exists")),
        ("year", "nineteen", ()),
        ("year.gte", "1e400", ()),
        ("year.gte", "inf", ()),
        ("year.gte", "٣", ()),
    ],
)
def test_wrong_parameters_are_named(name, value, allowed):
    with pytest.raises(InvalidRequest) as caught:
        url.filters([(name, value)], KINDS)
    (fault,) = caught.value.faults
    assert (fault.parameter, fault.allowed) == (name, allowed)


NAMES = st.sampled_from([*INDEX["filters"], "_streamer", "text_embedding", "_index"]) | st.text(max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
CONDITIONS = st.dictionaries(
    st.sampled_from(["field", "any_of", "gte", "gt", "lte", "lt", "script", "bool"]), NAMES | VALUES, max_size=4
)


@given(st.lists(CONDITIONS, max_size=3))
def test_whatever_is_asked_only_our_own_clauses_on_declared_fields_leave(conditions):
    index = IndexSettings(**INDEX)
    try:
        request = SearchRequest(query="x", mode="lexical", filters=conditions)
        check(request, index)
    except (ValidationError, InvalidRequest):
        return
    body = builder.body(request, index, None)
    for clause in body["query"]["bool"].get("filter", []):
        ((kind, inner),) = clause.items()
        ((field, value),) = inner.items()
        assert field in {"genres", "year", "rating", "director.keyword"}
        if kind == "terms":
            assert all(isinstance(item, str | int | float) for item in value)
        else:
            assert kind == "range"
            assert all(isinstance(bound, int | float) for bound in value.values())
            assert set(value) <= set(filters.BOUNDS)
