"""The service over a small fake of Elasticsearch: answers, problems, headers, metrics."""

import json

import httpx
import orjson
import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from search_api.app import create_app
from search_api.errors import InferenceUnavailable, Overloaded
from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable
from tests.unit.search_api.fakes import FILMS, FakeClock, FakeDoor, app, parts

LEAKS = ("films-alias", "for_search", "node-1", "org.elasticsearch", "text_embedding", "_streamer", "model_id")


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
    assert response.headers["content-type"] == "application/problem+json"
    document = response.json()
    assert document["type"] == f"/problems/{name}"
    assert document["status"] == response.status_code
    assert document["request_id"] == response.headers["x-request-id"]
    return document


async def test_a_search_by_url(client, door):
    answer = (await client.get("/search?q=heist+night&mode=semantic&size=2&genres=Crime&year.gte=1990")).json()
    assert answer.pop("took_ms") == 0
    assert answer == {
        "index": "films",
        "query": "heist night",
        "mode": "semantic",
        "partial": False,
        "hits": [{"id": "2", "score": 2.0, "source": FILMS["2"]}, {"id": "1", "score": 1.0, "source": FILMS["1"]}],
    }
    ((alias, body),) = door.searches
    assert alias == "films-alias"
    assert body["query"]["bool"]["filter"] == [
        {"terms": {"genres": ["Crime"]}},
        {"range": {"year": {"gte": 1990}}},
    ]


async def test_the_same_search_by_body(client):
    wanted = {
        "query": " heist night ",
        "mode": "semantic",
        "size": 2,
        "index": "films",
        "filters": [{"field": "genres", "any_of": ["Crime"]}, {"field": "year", "gte": 1990}],
    }
    by_body = (await client.post("/search", json=wanted)).json()
    by_url = (await client.get("/search?q=heist+night&mode=semantic&size=2&genres=Crime&year.gte=1990")).json()
    assert by_body == by_url


async def test_hybrid_is_the_default_and_repeated_queries_infer_once(client, door):
    for _ in range(3):
        assert (await client.get("/search?q=heist")).json()["mode"] == "hybrid"
    assert door.inferences == [("for_search", "heist")]


async def test_lexical_search_never_needs_the_encoder(client, door):
    door.infer_error = InferenceUnavailable()
    response = await client.get("/search?q=heist&mode=lexical")
    assert response.status_code == 200
    assert len(response.json()["hits"]) == 3
    assert door.inferences == []


@pytest.mark.parametrize("mode", ["semantic", "hybrid"])
async def test_without_the_encoder_words_answer_and_say_so(client, door, mode):
    door.infer_error = InferenceUnavailable()
    response = await client.get(f"/search?q=heist&mode={mode}")
    assert response.status_code == 200
    by_words = (await client.get("/search?q=heist&mode=lexical")).json()
    assert "degraded" not in by_words
    assert response.json() == by_words | {"mode": mode, "degraded": "inference"}
    assert door.searches[0][1] == door.searches[1][1]


REFUSAL = "no such index [films-alias] on node-1: org.elasticsearch.Foo"


@pytest.mark.parametrize(
    ("error", "status", "name", "retry_after"),
    [
        (ElasticTimeout("POST /films-alias/_search got no answer"), 504, "search-timeout", "1"),
        (ElasticUnavailable("POST /films-alias/_search could not be sent to node-1"), 503, "search-unavailable", "5"),
        (ElasticRefused(404, "index_not_found_exception", REFUSAL), 503, "index-not-ready", "5"),
        (ElasticRefused(429, "es_rejected_execution_exception", REFUSAL), 503, "search-overloaded", "1"),
        (ElasticRefused(503, "search_phase_execution_exception", REFUSAL), 503, "search-overloaded", "1"),
        (ElasticRefused(400, "illegal_argument_exception", REFUSAL), 502, "search-refused", None),
        (ElasticRefused(403, "security_exception", REFUSAL), 502, "search-refused", None),
        (RuntimeError("a bug at films-alias, node-1"), 500, "internal-error", None),
    ],
)
async def test_nothing_of_elasticsearch_leaks(client, door, error, status, name, retry_after):
    door.search_error = error
    with structlog.testing.capture_logs() as logged:
        response = await client.get("/search?q=heist&mode=lexical")
    assert response.status_code == status
    problem(response, name)
    assert {"problem": name, "error": str(error)}.items() <= logged[0].items()
    assert logged[1]["status"] == status
    assert response.headers.get("retry-after") == retry_after
    assert [word for word in LEAKS if word in response.text] == []


@pytest.mark.parametrize(
    ("url", "where", "allowed"),
    [
        ("/search", {"parameter": "q"}, None),
        ("/search?q=", {"pointer": "/query"}, None),
        ("/search?q=x&mode=magic", {"parameter": "mode"}, None),
        ("/search?q=x&size=0", {"parameter": "size"}, None),
        ("/search?q=x&size=101", {"pointer": "/size"}, None),
        ("/search?q=x&colour=red", {"parameter": "colour"}, ["genres", "year", "rating", "director"]),
        ("/search?q=x&genres.lt=3", {"parameter": "genres.lt"}, ["any_of", "prefix", "exists"]),
        ("/search?q=x&year.gte=new", {"parameter": "year.gte"}, None),
        ("/search?q=" + "x" * 1001, {"pointer": "/query"}, None),
    ],
)
async def test_a_wrong_url_is_told_where(client, door, url, where, allowed):
    response = await client.get(url)
    assert response.status_code == 422
    (error,) = problem(response, "invalid-request")["errors"]
    assert {name: error[name] for name in where} == where
    assert error.get("allowed") == allowed
    assert (door.searches, door.inferences) == ([], [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/query"),
        ({"query": 1}, "/query"),
        ({"query": "x", "aggs": {}}, "/aggs"),
        ({"query": "x", "filters": [{"term": {"a": 1}}]}, "/filters/0/field"),
        ({"query": "x", "filters": [{"field": "genres", "any_of": ["A"], "script": "x"}]}, "/filters/0/script"),
        ({"query": "x", "filters": [{"field": "_id", "any_of": ["1"]}]}, "/filters/0/field"),
        ({"query": "x", "filters": [{"field": "genres", "any_of": [1]}]}, "/filters/0/any_of/0"),
        ({"query": "x", "filters": [{"field": "year", "gte": 1}] * 21}, "/filters"),
        ({"query": "x", "filters": [{"field": "year", "any_of": [1] * 101}]}, "/filters/0/any_of"),
        ({"query": "x", "size": "10"}, "/size"),
        ({"query": "x", "a/b~c": 1}, "/a~1b~0c"),
        ([], ""),
    ],
)
async def test_a_wrong_body_is_told_where(client, door, body, pointer):
    response = await client.post("/search", json=body)
    assert response.status_code == 422
    assert pointer in [error["pointer"] for error in problem(response, "invalid-request")["errors"]]
    assert (door.searches, door.inferences) == ([], [])


@pytest.mark.parametrize("body", [b"", b"{", b"nonsense", b'{"query": "\xff"}'])
async def test_what_is_no_json_is_refused(client, body):
    response = await client.post("/search", content=body, headers={"content-type": "application/json"})
    assert response.status_code in {400, 422}
    problem(response, "malformed-body" if response.status_code == 400 else "invalid-request")


async def test_lone_surrogates_are_refused_and_can_be_told(client):
    body = b'{"query": "\\ud800", "\\ud800": 1}'
    response = await client.post("/search", content=body, headers={"content-type": "application/json"})
    problem(response, "invalid-request")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_large_body_is_refused(client, announced):
    async def pieces():
        for _ in range(100):
            yield b"x" * 1024

    content = b"x" * 102_400 if announced else pieces()
    response = await client.post("/search", content=content, headers={"content-type": "application/json"})
    assert response.status_code == 413
    problem(response, "body-too-large")


async def test_an_unknown_index_is_told_with_those_that_exist(client):
    for response in (
        await client.get("/search?q=x&index=books"),
        await client.post("/search", json={"query": "x", "index": "books"}),
    ):
        assert response.status_code == 404
        assert problem(response, "unknown-index")["errors"][0]["allowed"] == ["films"]


async def test_paths_and_methods_that_do_not_exist(client):
    problem(await client.get("/_search"), "not-found")
    problem(await client.get("/web/../settings.py"), "not-found")
    problem(await client.get("/web/%2e%2e/settings.py"), "not-found")
    problem(await client.delete("/search"), "method-not-allowed")


async def test_each_problem_is_explained_at_its_type(client):
    document = problem(await client.get("/search?q=x&index=books"), "unknown-index")
    explained = (await client.get(document["type"])).json()
    assert (explained["status"], explained["title"]) == (404, document["title"])
    problem(await client.get("/problems/none"), "not-found")


async def test_indices_describe_what_a_page_needs_and_hide_the_rest(client):
    response = await client.get("/indices")
    (index,) = response.json()["indices"]
    assert index["name"] == "films"
    assert index["filters"][:2] == [
        {"field": "genres", "kind": "keyword", "operators": ["any_of", "prefix", "exists"]},
        {"field": "year", "kind": "integer", "operators": ["any_of", "gte", "gt", "lte", "lt", "exists"]},
    ]
    assert index["display"]["details"] == ["year", "genres", "director", "rating"]
    assert [word for word in LEAKS if word in response.text] == []


async def test_a_request_id_is_kept_or_made(client):
    assert (await client.get("/healthz", headers={"x-request-id": "abc-1"})).headers["x-request-id"] == "abc-1"
    made = (await client.get("/healthz", headers={"x-request-id": b"a b\xe9"})).headers["x-request-id"]
    assert len(made) == 32


async def test_every_answer_has_careful_headers(client):
    for path in ("/", "/search?q=heist", "/nothing", "/web/style.css"):
        headers = (await client.get(path)).headers
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


async def test_ready_looks_at_most_once_a_second(client, door, clock):
    for _ in range(5):
        response = await client.get("/readyz")
        assert response.json() == {"ready": True, "indices": {"films": "ok"}, "inference": {"films": "ok"}}
    assert (len(door.searches), len(door.inferences)) == (1, 1)
    clock.now += 1.1
    door.infer_error = InferenceUnavailable()
    response = await client.get("/readyz")
    assert response.status_code == 200
    # Searches are answered all the same, by words.
    assert response.json() == {"ready": True, "indices": {"films": "ok"}, "inference": {"films": "unreachable"}}
    clock.now += 1.1
    door.infer_error, door.search_error = None, ElasticRefused(404, "index_not_found_exception", "films-alias")
    response = await client.get("/readyz")
    assert (response.status_code, response.json()["indices"]) == (503, {"films": "missing"})
    clock.now += 1.1
    door.search_error = Overloaded()
    assert (await client.get("/readyz")).json()["indices"] == {"films": "ok"}
    assert (await client.get("/healthz")).status_code == 200


async def test_the_admin_port_tells_the_last_known_state(door, clock):
    readiness = parts(door, clock).readiness
    assert (readiness.ready(), readiness.status()) == (False, {})
    await readiness.report()
    assert readiness.ready()
    assert readiness.status() == {"ready": True, "indices": {"films": "ok"}, "inference": {"films": "ok"}}
    await readiness.close()


async def test_metrics_count_routes_and_not_paths(door):
    made = parts(door)
    async with connect(create_app(made)) as client:
        for path in ("/search?q=heist", "/search?q=night", "/search", "/a", "/b", "/web/style.css"):
            await client.get(path)
    text = made.meter.exposition().decode()
    assert 'search_api_requests_total{route="/search",status="200"} 2.0' in text
    assert 'search_api_requests_total{route="/search",status="422"} 1.0' in text
    assert 'search_api_requests_total{route="unmatched",status="404"} 2.0' in text
    assert 'search_api_searches_total{index="films",mode="hybrid",result="ok"} 2.0' in text
    assert 'search_api_expansions_total{result="computed"} 2.0' in text


async def test_openapi_tells_filters_problems_and_examples(client):
    document = (await client.get("/openapi.json")).json()
    names = [parameter["name"] for parameter in document["paths"]["/search"]["get"]["parameters"]]
    assert {"q", "mode", "size", "index", "genres", "year", "year.gte", "rating.lt"} <= set(names)
    assert "HTTPValidationError" not in orjson.dumps(document["paths"]).decode()
    for method in ("get", "post"):
        problems = document["paths"]["/search"][method]["responses"]
        assert {"404", "422", "503", "504"} <= set(problems)
    assert document["components"]["schemas"]["SearchRequest"]["examples"]
    assert document["components"]["schemas"]["SearchResponse"]["examples"]


NAMES = st.sampled_from(["query", "mode", "size", "index", "filters", "field", "any_of", "gte"]) | st.text(max_size=8)
TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from(["films", "genres"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=10,
)
BODIES = st.dictionaries(NAMES, TREES, max_size=5) | st.fixed_dictionaries(
    {"query": st.text(max_size=12)}, optional={"filters": TREES, "size": TREES, "mode": TREES, "index": TREES}
)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(BODIES | TREES)
async def test_no_body_makes_the_service_fail(client, body):
    content = json.dumps(body).encode()
    response = await client.post("/search", content=content, headers={"content-type": "application/json"})
    assert response.status_code in {200, 400, 404, 413, 422}, response.text
    assert "_streamer" not in str(response.json().get("hits"))


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(NAMES | st.sampled_from(["q", "genres", "year.gte"]), st.text(max_size=12)), max_size=5))
async def test_no_url_makes_the_service_fail(client, parameters):
    response = await client.get("/search", params=parameters)
    assert response.status_code in {200, 404, 422}, response.text
