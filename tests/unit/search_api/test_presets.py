"""Presets: templates are filled with values and nothing else, and a wrong one is refused before anybody asks for it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search_api.access.principal import LOCAL, Principal
from search_api.errors import Fault, InvalidRequest, UnknownPreset
from search_api.presets import template
from search_api.presets.library import Preset, Presets, read, shown
from search_api.presets.parameter import Parameter, complete, faults
from streamer.errors import SettingsError

# Templates.


@pytest.mark.parametrize(
    ("made_of", "values", "comes"),
    [
        ({"query": "$q"}, {"q": "heist"}, {"query": "heist"}),
        ({"size": "$n"}, {"n": 5}, {"size": 5}),
        ({"any_of": "$list"}, {"list": ["a", "b"]}, {"any_of": ["a", "b"]}),
        ({"any_of": ["$a", "$b", "c"]}, {"a": "x"}, {"any_of": ["x", "c"]}),
        ({"query": "about $q"}, {"q": "x"}, {"query": "about $q"}),
        ({"query": "$$q", "b": "a$$"}, {}, {"query": "$q", "b": "a$$"}),
        ({"size": "$n", "query": "x"}, {}, {"query": "x"}),
        # A filter goes with its values.
        ({"filters": [{"field": "a", "any_of": "$x"}, {"field": "b"}]}, {}, {"filters": [{"field": "b"}]}),
        ({"filters": [{"field": "a", "any_of": "$x"}], "query": "y"}, {}, {"query": "y"}),
        ({"filters": [{"field": "a", "gte": "$x", "lt": "$y"}]}, {"x": 1}, {"filters": [{"field": "a", "gte": 1}]}),
        # A group goes with its members.
        (
            {"filters": [{"any": [{"field": "a", "any_of": "$x"}], "none": [{"field": "b", "exists": True}]}]},
            {},
            {"filters": [{"none": [{"field": "b", "exists": True}]}]},
        ),
        # What was empty from the beginning was meant so.
        ({"fields": [], "highlight": {}}, {}, {"fields": [], "highlight": {}}),
    ],
)
def test_values_take_their_places(made_of, values, comes):
    assert template.filled(made_of, values) == comes


def test_every_name_is_found():
    made_of = {"query": "$q", "filters": [{"any": [{"gte": "$a"}]}, "$$no"], "size": 5}
    assert [*template.names(made_of)] == ["q", "a"]


values = st.text() | st.integers() | st.booleans() | st.lists(st.text(), min_size=1)


@given(values)
def test_a_value_is_never_read_as_anything_else(value):
    """Whatever it is, it stands whole where its name stood, and nothing around it changes."""
    made_of = {"query": "$q", "filters": [{"field": "genres", "any_of": ["$q"]}], "mode": "lexical"}
    found = template.filled(made_of, {"q": value})
    assert found == {"query": value, "filters": [{"field": "genres", "any_of": [value]}], "mode": "lexical"}


# Parameters.


@pytest.mark.parametrize(
    ("parameter", "value", "problem"),
    [
        ({"type": "text"}, 5, "must be a text"),
        ({"type": "text"}, "  ", "must be a text"),
        ({"type": "text", "max_chars": 3}, "abcd", "must have at most 3 characters"),
        ({"type": "text", "allowed": ["a", "b"]}, "c", "must be one of those that are allowed"),
        ({"type": "integer"}, True, "must be a whole number"),
        ({"type": "integer"}, 1.5, "must be a whole number"),
        ({"type": "integer", "minimum": 1}, 0, "must be at least 1"),
        ({"type": "number", "maximum": 2.5}, 2.6, "must be at most 2.5"),
        ({"type": "number"}, "1", "must be a number"),
        ({"type": "boolean"}, 1, "must be true or false"),
        ({"type": "date"}, "yesterday", "must be a date, like 2026-01-31 or 2026-01-31T12:00:00Z"),
        ({"type": "text"}, ["a"], "must be a text"),
        ({"type": "text", "many": True}, "a", "must be a list with at least one value"),
        ({"type": "text", "many": True}, [], "must be a list with at least one value"),
        ({"type": "text", "many": True, "most": 2}, ["a", "b", "c"], "must have at most 2 values"),
        ({"type": "integer", "many": True}, [1, "b"], "must be a whole number"),
    ],
)
def test_a_value_that_does_not_fit_is_told(parameter, value, problem):
    assert Parameter(**parameter).problems(value) == [problem]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ({"type": "text"}, "$other"),
        ({"type": "number"}, 3),
        ({"type": "integer", "minimum": 1, "maximum": 1}, 1),
        ({"type": "boolean"}, False),
        ({"type": "date"}, "2026-01-31"),
        ({"type": "text", "many": True, "allowed": ["a", "b"]}, ["b", "a"]),
    ],
)
def test_a_value_that_fits(parameter, value):
    assert Parameter(**parameter).problems(value) == []


@pytest.mark.parametrize(
    ("parameter", "reason"),
    [
        ({"type": "text", "default": "a", "optional": True}, "not both"),
        ({"type": "text", "minimum": 1}, "has no minimum"),
        ({"type": "integer", "minimum": 2, "maximum": 1}, "minimum is larger"),
        ({"type": "integer", "default": 5, "maximum": 1}, "must be at most 1"),
        ({"type": "integer", "allowed": ["a"]}, "must be a whole number"),
        ({"type": "text", "many": True, "default": "a"}, "must be a list"),
        ({"type": "nothing"}, "Input should be"),
    ],
)
def test_a_parameter_that_contradicts_itself_is_refused(parameter, reason):
    with pytest.raises(ValidationError, match=reason):
        Parameter(**parameter)


@given(
    st.sampled_from(
        [
            Parameter(type="text", max_chars=7),
            Parameter(type="text", allowed=["a", "b"], many=True),
            Parameter(type="integer", minimum=3),
            Parameter(type="number", minimum=-1.5, maximum=2),
            Parameter(type="number"),
            Parameter(type="boolean"),
            Parameter(type="boolean", many=True),
            Parameter(type="date", many=True, most=3),
        ]
    )
)
def test_what_is_tried_at_start_is_what_clients_may_give(parameter):
    samples = [*parameter.samples()]
    assert samples
    assert [parameter.problems(one) for one in samples] == [[]] * len(samples)


PARAMETERS = {
    "q": Parameter(type="text"),
    "genre": Parameter(type="text", allowed=["Crime", "Drama"], default="Crime"),
    "since": Parameter(type="integer", optional=True),
}


def test_every_wrong_value_is_named():
    assert [*faults({"genre": "Horror", "x": 1}, PARAMETERS)] == [
        Fault("there is no parameter 'x'", pointer="/parameters", allowed=("q", "genre", "since")),
        Fault("q is required", pointer="/parameters/q"),
        Fault("genre must be one of those that are allowed", pointer="/parameters/genre", allowed=("Crime", "Drama")),
    ]


def test_defaults_stand_in_and_what_is_optional_stays_out():
    assert complete({"q": "x"}, PARAMETERS) == {"q": "x", "genre": "Crime"}
    assert complete({"q": "x", "genre": "Drama", "since": 2000}, PARAMETERS)["since"] == 2000


# Files.

FILE = """
[presets.crime]
description = "Crime films by what happens in them"

[presets.crime.parameters]
q = { type = "text" }
since = { type = "integer", minimum = 1900, maximum = 2100, optional = true }
most = { type = "integer", minimum = 1, maximum = 50, default = 10 }

[presets.crime.search]
query = "$q"
size = "$most"
filters = [{ field = "genres", any_of = ["Crime"] }, { field = "year", gte = "$since" }]
"""


def of_file(tmp_path, text=FILE, name="presets.toml"):
    path = tmp_path / name
    path.write_text(text)
    return read(path)


def accept(request):
    """Take any search."""


def test_a_file_becomes_searches(tmp_path):
    presets = Presets(of_file(tmp_path), accept)
    request = presets.request("crime", {"q": "a heist"}, LOCAL)
    assert (request.query, request.size) == ("a heist", 10)
    assert [one.field for one in request.filters] == ["genres"]
    assert [one.gte for one in presets.request("crime", {"q": "x", "since": 1990}, LOCAL).filters] == [None, 1990]


def test_json_says_the_same(tmp_path):
    search = {"query": "$q"}
    text = json.dumps({"presets": {"plain": {"parameters": {"q": {"type": "text"}}, "search": search}}})
    assert Presets(of_file(tmp_path, text, "presets.json"), accept).request("plain", {"q": "x"}, LOCAL).query == "x"


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("presets = [", "presets.toml", "are not toml"),
        ("{", "presets.json", "are not json"),
        ("[other]", "presets.toml", r"presets: Field required"),
        ("[presets.A_b]\nsearch = {}", "presets.toml", r"presets\.A_b"),
        ('[presets.a.search]\nquery = "$q"', "presets.toml", r"search names q, which is no parameter"),
        (
            '[presets.a]\nparameters.x = { type = "text" }\nsearch = { query = "y" }',
            "presets.toml",
            "does not name the parameter x",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused(tmp_path, text, name, reason):
    with pytest.raises(SettingsError, match=reason):
        of_file(tmp_path, text, name)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read(tmp_path / "none.toml")


def preset(search, **parameters):
    return Preset(search=search, parameters=parameters)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (preset({"mode": "lexical"}), "query: Field required"),
        (preset({"query": "x", "aggs": {}}), "aggs: Extra inputs"),
        (preset({"query": "x", "size": "$n"}, n={"type": "text", "optional": True}), "size"),
        # Only one of its values is wrong.
        (
            preset(
                {"query": "x", "mode": "$m"}, m={"type": "text", "allowed": ["lexical", "fast"], "default": "lexical"}
            ),
            "mode",
        ),
        (preset({"query": "x", "size": "$n"}, n={"type": "integer", "minimum": 0, "maximum": 5}), "size"),
    ],
)
def test_a_preset_is_tried_at_start_with_values_at_the_edges(one, reason):
    with pytest.raises(SettingsError, match=f"wrong presets:\n  bad: .*(\n.*)?{reason}"):
        Presets({"bad": one, "good": preset({"query": "x"})}, accept)


def test_what_the_service_would_refuse_is_refused_at_start():
    def check(request):
        if request.size > 100:
            raise InvalidRequest(Fault("size must be at most 100"))

    one = preset({"query": "x", "size": "$n"}, n={"type": "integer", "minimum": 1, "maximum": 101})
    with pytest.raises(SettingsError, match="big: size must be at most 100"):
        Presets({"big": one}, check)


def test_a_name_that_is_not_there():
    with pytest.raises(UnknownPreset) as caught:
        Presets({"a": preset({"query": "x"})}, accept).request("b", {}, LOCAL)
    assert caught.value.faults[0].allowed == ("a",)


def test_values_that_fit_alone_and_not_together():
    search = {"query": "x", "filters": [{"field": "year", "any_of": "$years", "gte": "$since"}]}
    years = {"type": "integer", "many": True, "optional": True}
    one = preset(search, years=years, since={"type": "integer", "optional": True})
    presets = Presets({"a": one}, accept)
    with pytest.raises(InvalidRequest):
        presets.request("a", {"years": [1990], "since": 1980}, LOCAL)


def test_clients_see_what_they_may_give_and_not_the_search():
    told = shown("crime", preset({"query": "$q"}, q={"type": "text", "max_chars": 50, "description": "What happens"}))
    assert told == {
        "name": "crime",
        "description": "",
        "parameters": {"q": {"type": "text", "required": True, "max_chars": 50, "description": "What happens"}},
    }


def test_a_preset_of_an_index_that_a_caller_may_not_search_is_not_there():
    presets = Presets({"films": preset({"query": "x", "index": "films"}), "any": preset({"query": "x"})}, accept)
    caller = Principal("shop", indices=frozenset({"books"}))
    assert [*presets.of(caller)] == ["any"]
    with pytest.raises(UnknownPreset) as caught:
        presets.request("films", {}, caller)
    assert caught.value.faults[0].allowed == ("any",)
