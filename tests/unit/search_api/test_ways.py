"""Walks, explanations, similar documents, suggestions, presets and several searches, over the small fake."""

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from search_api import similar, suggest
from search_api.access.principal import Principal
from search_api.app import create_app
from search_api.cursor.owner import fingerprint
from search_api.query.filters import Condition
from search_api.settings import IndexSettings
from streamer.errors import ElasticRefused, ElasticUnavailable
from tests.unit.search_api.fakes import FILMS, INDEX, FakeClock, FakeDoor, app, parts

LEAKS = ("films-alias", "for_search", "node-1", "org.elasticsearch", "_streamer", "model_id", "text_embedding")
MANY = {str(number): {**FILMS["1"], "text": "a heist"} for number in range(250)}
BY_WORDS = {"query": "heist", "mode": "lexical", "size": 100}


@pytest.fixture
def door():
    return FakeDoor()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
async def client(door, clock):
    async with connect(app(door, clock)) as connected:
        yield connected


def connect(application):
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


def problem(response, name):
    document = response.json()
    assert document["type"] == f"/problems/{name}", document
    assert document["status"] == response.status_code
    assert [word for word in LEAKS if word in response.text] == []
    return document


async def begun(client, **changes):
    response = await client.post("/search/cursor", json={"search": BY_WORDS | changes})
    assert response.status_code == 200, response.text
    return response.json()


async def following(client, cursor, **more):
    return await client.post("/search/cursor/next", json={"cursor": cursor, **more})


def ids(answer):
    return [hit["id"] for hit in answer["hits"]]


# Walks.


async def test_a_walk_sees_each_hit_of_its_beginning_once(client, door):
    door.films = dict(MANY)
    page = await begun(client)
    seen = ids(page)
    while page["cursor"]:
        door.films |= {f"new {len(seen)}": FILMS["1"]}
        del door.films[seen[-1]]
        page = (await following(client, page["cursor"])).json()
        seen += ids(page)
    assert sorted(seen) == sorted(MANY)
    assert door.points == {}


async def test_a_walk_can_change_its_step_and_a_page_can_be_asked_again(client, door):
    door.films = dict(MANY)
    first = await begun(client)
    second = (await following(client, first["cursor"], size=7)).json()
    again = (await following(client, first["cursor"], size=7)).json()
    assert ids(second) == ids(again)
    assert len(ids(second)) == 7
    assert len((await following(client, second["cursor"])).json()["hits"]) == 7


async def test_a_walk_infers_once_and_goes_on_without_the_encoder(client, door):
    door.films = dict(MANY)
    first = await begun(client, mode="semantic")
    door.infer_error = ElasticUnavailable("gone")
    second = (await following(client, first["cursor"])).json()
    assert (len(second["hits"]), second["mode"]) == (100, "semantic")
    assert "degraded" not in second
    assert len(door.inferences) == 1


async def test_counts_stand_on_the_first_page_alone(client, door):
    door.films = dict(MANY)
    first = await begun(client, facets=[{"field": "genres"}], total=True)
    assert "facets" in first
    await following(client, first["cursor"])
    body = door.searches[-1][1]
    assert "aggs" not in body
    assert body["track_total_hits"] is False
    assert body["sort"] == [{"_score": {"order": "desc"}}]
    assert body["pit"]["keep_alive"] == "65s"


async def test_a_closed_walk_is_over(client, door):
    door.films = dict(MANY)
    cursor = (await begun(client))["cursor"]
    assert (await client.post("/search/cursor/close", json={"cursor": cursor})).status_code == 204
    assert door.points == {}
    problem(await following(client, cursor), "cursor-expired")


async def test_a_walk_has_its_time_between_pages_and_in_all(client, door, clock):
    door.films = dict(MANY)
    cursor = (await begun(client))["cursor"]
    clock.now += 59
    page = (await following(client, cursor, size=1)).json()
    clock.now += 60
    problem(await following(client, page["cursor"]), "cursor-expired")


async def test_a_walk_cannot_be_drawn_out(door, clock):
    door.films = dict(MANY)
    async with connect(app(door, clock, cursor={"longest_s": 100})) as client:
        cursor = (await begun(client, size=1))["cursor"]
        for _ in range(3):
            clock.now += 33
            cursor = (await following(client, cursor)).json()["cursor"]
        clock.now += 2
        problem(await following(client, cursor), "cursor-expired")


async def test_walks_are_few(door, clock):
    door.films = dict(MANY)
    async with connect(app(door, clock, cursor={"per_key": 2})) as client:
        await begun(client)
        cursor = (await begun(client))["cursor"]
        refused = await client.post("/search/cursor", json={"search": BY_WORDS})
        problem(refused, "too-many-cursors")
        assert refused.headers["retry-after"]
        assert len(door.points) == 2
        await client.post("/search/cursor/close", json={"cursor": cursor})
        await begun(client)


async def test_a_walk_that_cannot_begin_holds_nothing(door, clock):
    async with connect(app(door, clock, cursor={"per_key": 1})) as client:
        for _ in range(2):
            door.search_error = ElasticUnavailable("gone")
            problem(await client.post("/search/cursor", json={"search": BY_WORDS}), "search-unavailable")
            assert door.points == {}
        door.search_error = None
        await begun(client)


async def test_a_page_with_something_missing_is_no_page(client, door, monkeypatch):
    door.films = dict(MANY)
    cursor = (await begun(client))["cursor"]
    whole = door.search

    async def partly(question, within_s=None):
        return await whole(question, within_s) | {"timed_out": True}

    monkeypatch.setattr(door, "search", partly)
    problem(await following(client, cursor), "incomplete-page")
    monkeypatch.undo()
    assert len((await following(client, cursor)).json()["hits"]) == 100


@pytest.mark.parametrize(
    ("search", "pointer"),
    [
        ({"mode": "hybrid", "fusion": "rrf"}, "/search/fusion"),
        ({"offset": 1}, "/search/offset"),
        ({"collapse": {"field": "genres"}}, "/search/collapse"),
        ({"explain": True}, "/search/explain"),
    ],
)
async def test_what_cannot_be_walked_is_told(client, door, search, pointer):
    document = problem(
        await client.post("/search/cursor", json={"search": BY_WORDS | search, "keep_alive_s": 301}), "invalid-request"
    )
    assert [fault["pointer"] for fault in document["errors"]] == [pointer, "/keep_alive_s"]
    assert door.searches == []


@pytest.mark.parametrize("cursor", ["x", "A" * 500, "é", "\ud800"])
async def test_a_cursor_that_nobody_made(client, cursor):
    content = orjson.dumps({"cursor": "x"}).replace(b'"x"', ascii_json(cursor))
    response = await client.post("/search/cursor/next", content=content, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}


def ascii_json(text):
    return b'"' + "".join(f"\\u{ord(letter):04x}" for letter in text).encode() + b'"'


CALLERS = [
    Principal("a"),
    Principal("b"),
    Principal("a", indices=frozenset({"films"})),
    Principal("a", filters=(Condition(field="genres", any_of=["Crime"]),)),
    Principal("a", filters=(Condition(field="genres", any_of=["Drama"]),)),
]


def test_callers_that_see_different_things_have_different_cursors():
    assert len({fingerprint(one) for one in CALLERS}) == len(CALLERS)
    assert fingerprint(Principal("a")) == fingerprint(Principal("a", scopes=frozenset({"search", "admin"})))


async def test_a_process_with_a_secret_of_its_own_ends_its_walks_with_itself(door, clock):
    door.films = dict(MANY)
    own = parts(door, clock)
    async with connect(create_app(own)) as client:
        await begun(client)
    await own.close()
    assert door.points == {}


async def test_processes_with_one_secret_continue_each_others_walks(door, clock):
    door.films = dict(MANY)
    secret = {"secret": "the same for all instances of this service"}
    first = parts(door, clock, cursor=secret)
    async with connect(create_app(first)) as client:
        cursor = (await begun(client))["cursor"]
    await first.close()
    async with connect(app(door, clock, cursor=secret)) as client:
        assert len((await following(client, cursor)).json()["hits"]) == 100
    async with connect(app(door, clock)) as client:
        problem(await following(client, cursor), "invalid-cursor")


# Explanations.


async def test_parts_add_up_to_the_score(client):
    wanted = {"query": "heist night", "explain": True}
    answer = (await client.post("/search", json=wanted)).json()
    assert answer["hits"]
    for hit in answer["hits"]:
        told = hit["explanation"]
        assert told["fusion"] == {"by": "score"}
        assert sum(part["adds"] for part in told["parts"]) == pytest.approx(hit["score"])
        semantic = told["parts"][0]
        assert semantic["score"] == sum(row["query"] * row["document"] for row in semantic["tokens"])
        assert {row["token"] for row in semantic["tokens"]} <= {"heist", "night"}


async def test_without_explain_nothing_more_is_asked(client, door):
    answer = (await client.post("/search", json={"query": "heist"})).json()
    assert len(door.searches) == 1
    assert not any("explanation" in hit for hit in answer["hits"])


async def test_an_answer_by_words_alone_is_explained_by_words_alone(client, door):
    wanted = {"query": "heist", "mode": "lexical", "explain": True}
    answer = (await client.post("/search", json=wanted)).json()
    assert [part["part"] for part in answer["hits"][0]["explanation"]["parts"]] == ["lexical"]


async def test_what_is_not_found_is_not_explained(client, door):
    answer = (await client.post("/search", json={"query": "zebra", "mode": "lexical", "explain": True})).json()
    assert answer["hits"] == []
    assert len(door.searches) == 1


# Similar documents.


async def test_similar_documents_by_stored_tokens(client, door):
    answer = (await client.post("/similar", json={"id": "1"})).json()
    assert (answer["index"], answer["id"], answer["partial"]) == ("films", "1", False)
    assert ids(answer) == ["2", "3"]
    assert door.inferences == []
    assert answer["hits"][0]["source"] == FILMS["2"]


async def test_similar_documents_are_narrowed_and_few(client, door):
    filters = [{"field": "genres", "any_of": ["Thriller"]}]
    wanted = {"id": "1", "size": 1, "tokens": 3, "filters": filters}
    assert ids((await client.post("/similar", json=wanted)).json()) == ["2"]
    (asked,) = [part for part in walk(door.searches[-1][1]) if isinstance(part, dict) and "query_vector" in part]
    assert len(asked["query_vector"]) == 3


def walk(value):
    yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(one)


async def test_a_document_that_is_not_there(client):
    problem(await client.post("/similar", json={"id": "nothing"}), "unknown-document")


async def test_a_document_without_tokens(client, door):
    door.films = {"1": {**FILMS["1"], "text": ""}}
    problem(await client.post("/similar", json={"id": "1"}), "document-without-tokens")


def test_the_strongest_tokens_first():
    assert similar.strongest({"a": 1.0, "b": 3.0, "c": 2.0, "d": 3.0}, 3) == {"b": 3.0, "d": 3.0, "c": 2.0}


@pytest.mark.parametrize(
    ("wanted", "pointer"),
    [
        ({"id": "1", "size": 101}, "/size"),
        ({"id": "1", "filters": [{"field": "plot", "any_of": ["x"]}]}, "/filters/0/field"),
        ({"id": "1", "fields": ["_streamer"]}, "/fields/0"),
        ({"id": "1", "tokens": 65}, "/tokens"),
        ({"id": ""}, "/id"),
    ],
)
async def test_a_wrong_question_for_similar_documents(client, wanted, pointer):
    document = (await client.post("/similar", json=wanted)).json()
    assert [fault["pointer"] for fault in document["errors"]] == [pointer]


# Suggestions.


async def test_suggestions_by_body_and_by_url(client):
    by_body = (await client.post("/suggest", json={"query": "ocean's el"})).json()
    by_url = (await client.get("/suggest", params={"q": "ocean's el"})).json()
    assert by_body == by_url
    assert by_body["suggestions"] == [{"text": "Ocean's Eleven", "field": "title", "id": "2"}]


async def test_a_text_is_suggested_once(client, door):
    door.films = {id_: {**FILMS["1"], "title": title} for id_, title in [("1", "Heat"), ("2", "heat"), ("3", "Heath")]}
    texts = [one["text"] for one in (await client.get("/suggest", params={"q": "hea"})).json()["suggestions"]]
    assert texts == ["Heat", "Heath"]


@pytest.mark.parametrize(
    ("source", "path", "typed", "texts"),
    [
        ({"names": ["Al Pacino", "Robert De Niro"]}, "names", "rob", ["Robert De Niro"]),
        # A stem that is no beginning: all that may be meant.
        ({"names": ["Robbery", "Heist"]}, "names", "robberies", ["Robbery", "Heist"]),
        ({"a": {"b": [{"c": "One"}, {"c": "Two"}]}}, "a.b.c", "tw", ["Two"]),
        ({"a.b": "Dotted"}, "a.b", "do", ["Dotted"]),
        ({"a": 5}, "a", "x", []),
        ({"a": "x" * 300}, "a", "x", ["x" * 200]),
    ],
)
def test_the_texts_of_a_document(source, path, typed, texts):
    assert list(suggest._values(source, path, typed)) == texts


def test_only_chosen_fields_that_are_shown_suggest():
    assert suggest.offered(IndexSettings(**INDEX)) == ("title",)
    assert suggest.offered(IndexSettings(**INDEX, suggest_fields=["text", "title"])) == ("text", "title")
    assert suggest.offered(IndexSettings(**INDEX, result_fields=["text"])) == ()


async def test_a_field_that_does_not_suggest(client):
    document = problem(await client.post("/suggest", json={"query": "x", "fields": ["plot"]}), "invalid-request")
    assert document["errors"][0] | {"detail": ""} == {"detail": "", "pointer": "/fields/0", "allowed": ["title"]}


# Several searches.


async def test_each_search_is_answered_or_has_its_own_problem(client):
    searches = [
        {"query": "heist", "mode": "lexical"},
        {"query": "heist", "size": 1000},
        {"mode": "lexical"},
        {"query": "x", "index": "nothing"},
    ]
    results = (await client.post("/search/multi", json={"searches": searches})).json()["results"]
    assert [one["status"] for one in results] == [200, 422, 422, 404]
    assert ids(results[0]["answer"]) == ["1", "2", "3"]
    assert [one["problem"]["type"] for one in results[1:]] == [
        "/problems/invalid-request",
        "/problems/invalid-request",
        "/problems/unknown-index",
    ]
    assert results[2]["problem"]["errors"][0]["pointer"] == "/query"


async def test_what_is_not_known_fails_one_search_without_its_reason(client, door, monkeypatch):
    async def broken(question, within_s=None):
        raise RuntimeError("node-1")

    monkeypatch.setattr(door, "search", broken)
    response = await client.post("/search/multi", json={"searches": [{"query": "x", "mode": "lexical"}]})
    assert "node-1" not in response.text
    (one,) = response.json()["results"]
    assert (one["status"], one["problem"]["type"]) == (500, "/problems/internal-error")


@pytest.mark.parametrize(("searches", "counted"), [(1, 1), (4, 4)])
async def test_each_search_counts_for_the_rate_of_its_caller(door, clock, monkeypatch, searches, counted):
    own, charged = parts(door, clock), []
    monkeypatch.setattr(own.ways.rates, "charge", lambda _, cost=1: charged.append(cost))
    async with connect(create_app(own)) as client:
        await client.post("/search/multi", json={"searches": [{"query": "x", "mode": "lexical"}] * searches})
    assert sum(charged) == counted


async def test_searches_are_few(client):
    many = {"searches": [{"query": "x"}] * 11}
    assert problem(await client.post("/search/multi", json=many), "invalid-request")["errors"] == [
        {"detail": "there may be at most 10 searches in a request", "pointer": "/searches"}
    ]


# Presets.

PRESETS = """
[presets.crime]
description = "Crime films"
[presets.crime.parameters]
q = { type = "text" }
since = { type = "integer", minimum = 1900, maximum = 2100, optional = true }
[presets.crime.search]
query = "$q"
mode = "lexical"
filters = [{ field = "genres", any_of = ["Crime"] }, { field = "year", gte = "$since" }]
"""


@pytest.fixture
async def with_presets(door, clock, tmp_path):
    (tmp_path / "presets.toml").write_text(PRESETS)
    async with connect(app(door, clock, presets=tmp_path / "presets.toml")) as connected:
        yield connected


async def test_presets_are_listed_and_answered(with_presets):
    (listed,) = (await with_presets.get("/presets")).json()["presets"]
    assert (listed["name"], listed["description"]) == ("crime", "Crime films")
    assert listed["parameters"]["q"] == {"type": "text", "required": True}
    wanted = {"parameters": {"q": "heist", "since": 2000}}
    assert ids((await with_presets.post("/presets/crime", json=wanted)).json()) == ["2"]


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [({}, "/parameters/q"), ({"q": "x", "since": 1}, "/parameters/since"), ({"q": "x", "y": 1}, "/parameters")],
)
async def test_a_preset_with_wrong_values(with_presets, parameters, pointer):
    response = await with_presets.post("/presets/crime", json={"parameters": parameters})
    assert problem(response, "invalid-request")["errors"][0]["pointer"] == pointer


async def test_a_preset_that_is_not_there(client):
    problem(await client.post("/presets/nothing", json={}), "unknown-preset")


# What would be asked.


async def test_a_search_is_rendered_and_not_made(client, door):
    (one,) = (await client.post("/admin/render", json={"query": "heist", "mode": "lexical"})).json()["requests"]
    assert (one["method"], one["path"]) == ("POST", "/films/_search")
    assert one["body"]["query"]["bool"]["should"][0]["multi_match"]["query"] == "heist"
    assert door.searches == []


# Nothing that anybody sends is an error of the service.

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
searches = st.fixed_dictionaries(
    {"query": st.text(max_size=9) | values},
    optional={
        "mode": st.sampled_from(["semantic", "lexical", "hybrid"]) | values,
        "size": st.integers(-1, 200) | values,
        "index": st.sampled_from(["films", "other"]) | values,
        "explain": values,
        "fusion": st.sampled_from(["rrf", "weighted"]) | values,
        "filters": values,
    },
)
REQUESTS = {
    "/search/cursor": st.fixed_dictionaries({"search": searches | values}, optional={"keep_alive_s": values}),
    "/search/cursor/next": st.fixed_dictionaries({"cursor": st.text() | values}, optional={"size": values}),
    "/search/cursor/close": st.fixed_dictionaries({"cursor": st.text() | values}),
    "/search/multi": st.fixed_dictionaries({"searches": st.lists(searches | values, max_size=4) | values}),
    "/similar": st.fixed_dictionaries(
        {"id": st.sampled_from(["1", "nothing"]) | values},
        optional={"tokens": values, "size": values, "filters": values, "fields": values},
    ),
    "/suggest": st.fixed_dictionaries(
        {"query": st.text(max_size=9) | values},
        optional={"fields": st.lists(st.sampled_from(["title", "text"])) | values, "size": values, "index": values},
    ),
    "/presets/crime": st.fixed_dictionaries(
        {"parameters": st.dictionaries(st.sampled_from(["q", "since", "x"]), values) | values}
    ),
    "/admin/render": searches,
}


@pytest.mark.parametrize("path", REQUESTS)
@given(st.data())
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_any_body_is_answered_or_refused(with_presets, path, data):
    body = data.draw(REQUESTS[path] | values)
    response = await with_presets.post(path, json=body)
    assert response.status_code < 500, response.text
    assert path == "/admin/render" or [word for word in LEAKS if word in response.text] == []


async def test_what_elasticsearch_says_stays_inside(client, door):
    door.search_error = ElasticRefused(400, "x_content_parse_exception", "org.elasticsearch on node-1")
    for path, body in {
        "/similar": {"id": "1"},
        "/suggest": {"query": "x"},
        "/search/cursor": {"search": BY_WORDS},
    }.items():
        problem(await client.post(path, json=body), "search-refused")
