"""The search service on the local stack: modes, filters, what stays hidden, and what happens without its parts."""

import json
import math
import signal
import subprocess
import sys

import httpx
import jsonschema
import pytest

import schemas
from search_api.access.principal import LOCAL
from search_api.access.view import View
from search_api.app import Parts, create_app, create_meter
from search_api.elastic import ElasticDoor
from search_api.errors import InferenceUnavailable
from search_api.settings import IndexSettings, SearchSettings, Settings
from streamer.clock import SystemClock
from streamer.elastic import Elastic
from streamer.errors import ElasticRefused, ElasticUnavailable
from streamer.settings import ElasticsearchSettings
from tests.fixtures.films import films
from tests.fixtures.waiting import until
from tests.unit.search_api.fakes import INTERNALS, FakeDoor

NAME = "search-contract"
DEPLOYMENT, ENDPOINT, PIPELINE, ALIAS, CONCRETE = (
    f"{NAME}-{part}" for part in ("deployment", "endpoint", "pipeline", "alias", "index-000001")
)
COUNT = 40
LEAKS = (ALIAS, CONCRETE, ENDPOINT, DEPLOYMENT, "text_embedding", "_streamer", "model_id", "exception", "elasticsearch")

MAPPING = {
    "properties": {
        "title": {"type": "text", "analyzer": "english"},
        "text": {"type": "text", "analyzer": "english"},
        "year": {"type": "integer"},
        "genres": {"type": "keyword"},
        "director": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
        "rating": {"type": "float"},
        "text_embedding": {"type": "sparse_vector"},
        "_streamer": {"type": "object", "enabled": False},
    }
}
INDEX = {
    "name": "films",
    "alias": ALIAS,
    "inference_endpoint": ENDPOINT,
    "lexical_fields": {"title": 1, "text": 1, "director": 1},
    "semantic_boost": 2,
    "lexical_boost": 3,
    "filters": {
        "genres": "keyword",
        "year": "integer",
        "rating": "number",
        "director": {"kind": "keyword", "field": "director.keyword"},
    },
}


@pytest.fixture(scope="module")
def corpus(elastic):
    """Films behind an alias, indexed through a real pipeline with a deployment of their own; by id."""
    elastic.start_deployment(DEPLOYMENT, model=".elser_model_2")
    elastic.attach_endpoint(ENDPOINT, DEPLOYMENT)
    inference = {"model_id": DEPLOYMENT, "input_output": [{"input_field": "text", "output_field": "text_embedding"}]}
    elastic.ask("PUT", f"/_ingest/pipeline/{PIPELINE}", {"processors": [{"inference": inference}]})
    elastic.ask("PUT", f"/{CONCRETE}", {"mappings": MAPPING, "aliases": {ALIAS: {}}})
    documents = {str(film["id"]): film for film in films(COUNT)}
    for id_, film in documents.items():
        body = film | {"_streamer": {"topic": "films", "offset": 1}}
        elastic.ask("PUT", f"/{ALIAS}/_doc/{id_}", body, pipeline=PIPELINE)
    elastic.ask("POST", f"/{ALIAS}/_refresh")
    yield documents
    elastic.remove(f"/{CONCRETE}")
    elastic.remove(f"/_ingest/pipeline/{PIPELINE}")
    elastic.remove(f"/_inference/sparse_embedding/{ENDPOINT}?force=true")
    elastic.stop_deployment(DEPLOYMENT)


def settings_of(elastic, **index):
    # What is measured here is not time: a busy machine must not make answers poorer.
    patient = {"search": {"timeout_ms": 40_000, "inference_timeout_ms": 20_000}, "expansion": {"budget_ms": 20_000}}
    return Settings(elasticsearch=ElasticsearchSettings(urls=[elastic.url]), indices=[INDEX | index], **patient)


class Service:
    """The service in this process, over the real door."""

    def __init__(self, settings):
        clock, self.meter = SystemClock(), create_meter()
        door = ElasticDoor(Elastic(settings.elasticsearch), settings.search, clock, self.meter)
        self.parts = Parts(settings, door, clock, self.meter)
        transport = httpx.ASGITransport(create_app(self.parts), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.http.aclose()
        await self.parts.close()

    async def search(self, query, **wanted):
        response = await self.http.post("/search", json={"query": query, **wanted})
        assert response.status_code == 200, response.text
        assert "degraded" not in response.json()
        assert [word for word in LEAKS if word in response.text.lower()] == []
        jsonschema.validate(response.json(), schemas.schema("search_response"))
        return response.json()

    async def scores(self, query, **wanted):
        hits = (await self.search(query, size=COUNT, **wanted))["hits"]
        return {hit["id"]: hit["score"] for hit in hits}


@pytest.fixture
async def service(corpus, elastic):
    async with Service(settings_of(elastic)) as running:
        yield running


@pytest.mark.parametrize("mode", ["semantic", "lexical", "hybrid"])
async def test_each_mode_finds_a_film_by_its_own_text(service, corpus, mode):
    for id_, film in list(corpus.items())[:5]:
        answer = await service.search(film["text"][:500], mode=mode, size=3)
        assert answer["hits"][0]["id"] == id_
        assert answer["hits"][0]["source"] == film
        assert answer["partial"] is False
        assert len(answer["hits"]) <= 3


async def test_meaning_is_the_product_of_all_tokens_nothing_pruned(service, elastic, corpus):
    query = "a spaceship far from home"
    (asked,) = elastic.tokens(ENDPOINT, [query])
    found = await service.scores(query, mode="semantic")
    assert len(found) > COUNT // 2
    for id_, score in found.items():
        tokens = elastic.document(CONCRETE, id_).source["text_embedding"]
        product = math.fsum(weight * tokens.get(token, 0.0) for token, weight in asked.items())
        # Elasticsearch keeps 9 significant bits of a weight (es: SparseVectorFieldMapper).
        assert score == pytest.approx(product, rel=0.01)


async def test_pruning_leaves_out_what_is_frequent_and_weak(corpus, elastic, service):
    query = "a spaceship far from home"
    async with Service(settings_of(elastic, prune=True, prune_ratio=1, prune_weight=0.9)) as pruned:
        found = await pruned.scores(query, mode="semantic")
    whole = await service.scores(query, mode="semantic")
    assert found.keys() <= whole.keys()
    assert sum(found.values()) < sum(whole.values())


async def test_hybrid_is_the_weighed_sum_of_both(service):
    query = "a spaceship far from home"
    semantic = await service.scores(query, mode="semantic")
    lexical = await service.scores(query, mode="lexical")
    hybrid = await service.scores(query, mode="hybrid")
    assert set(hybrid) == set(semantic) | set(lexical)
    for id_, score in hybrid.items():
        assert score == pytest.approx(2 * semantic.get(id_, 0) + 3 * lexical.get(id_, 0), rel=1e-4)


@pytest.mark.parametrize("mode", ["semantic", "lexical", "hybrid"])
async def test_filters_hold_for_every_hit(service, corpus, mode):
    filters = [
        {"field": "genres", "any_of": ["Horror", "Action"]},
        {"field": "year", "gte": 2020, "lt": 2023},
        {"field": "rating", "gt": 6.0},
    ]
    wanted = {
        id_
        for id_, film in corpus.items()
        if {"Horror", "Action"} & set(film["genres"]) and 2020 <= film["year"] < 2023 and film["rating"] > 6
    }
    found = await service.scores("a hero who must save the world", mode=mode, filters=filters)
    assert found
    assert set(found) <= wanted
    if mode != "lexical":
        assert set(found) == wanted


async def test_a_url_filters_by_the_public_name_of_a_sub_field(service, corpus):
    id_, film = next(iter(corpus.items()))
    answer = await service.http.get("/search", params={"q": "film", "mode": "semantic", "director": film["director"]})
    assert id_ in [hit["id"] for hit in answer.json()["hits"]]
    assert {hit["source"]["director"] for hit in answer.json()["hits"]} == {film["director"]}


@pytest.mark.parametrize("bound", [2**31 - 1, -(2**31) + 1, 1989.5])
async def test_the_widest_bounds_fit_the_field(service, bound):
    await service.search("film", mode="lexical", filters=[{"field": "year", "lte": bound, "gte": -bound}])


async def test_what_is_hidden_is_stored_and_never_shown(service, elastic, corpus):
    stored = elastic.document(CONCRETE, next(iter(corpus))).source
    assert {"text_embedding", "model_id", "_streamer"} <= set(stored)
    answer = await service.search("film", size=COUNT)
    assert not {*INTERNALS} & {name for hit in answer["hits"] for name in hit["source"]}


async def test_repeated_queries_are_inferred_once(service, elastic):
    before = elastic.inferences(DEPLOYMENT)
    for mode in ("semantic", "hybrid", "semantic"):
        await service.search("a query that nobody asked before", mode=mode)
    assert service.parts.expansion._cache.counts == {"computed": 1, "shared": 0, "cached": 2}
    until(lambda: elastic.inferences(DEPLOYMENT) == before + 1, "one inference")


@pytest.mark.parametrize("query", ["???", "\u0000", "(a AND", '"', "x" * 1000, "a " * 400, "日本の映画", "🎬"])
@pytest.mark.parametrize("mode", ["semantic", "lexical", "hybrid"])
async def test_any_text_is_a_query(service, query, mode):
    await service.search(query, mode=mode)


async def test_an_index_that_is_not_there_yet(corpus, elastic):
    async with Service(settings_of(elastic, alias=f"{NAME}-nothing")) as service:
        response = await service.http.get("/search", params={"q": "x", "mode": "lexical"})
        assert (response.status_code, response.json()["type"]) == (503, "/problems/index-not-ready")
        assert NAME not in response.text
        report = (await service.http.get("/readyz")).json()
        assert report == {"ready": False, "indices": {"films": "missing"}, "inference": {"films": "ok"}}


async def test_elasticsearch_that_is_not_there():
    nowhere = ElasticsearchSettings(urls=["http://127.0.0.1:9"])
    async with Service(Settings(elasticsearch=nowhere, indices=[INDEX])) as service:
        response = await service.http.get("/search", params={"q": "x", "mode": "lexical"})
        assert (response.status_code, response.json()["type"]) == (503, "/problems/search-unavailable")
        assert "127.0.0.1" not in response.text
        assert (await service.http.get("/readyz")).status_code == 503
        assert (await service.http.get("/healthz")).status_code == 200


# One suite for the fake of the unit tests and for the real door.


@pytest.fixture(params=["fake", "real"])
async def door(request, corpus, elastic):
    if request.param == "fake":
        made = FakeDoor(corpus)
    else:
        client = Elastic(ElasticsearchSettings(urls=[elastic.url]))
        made = ElasticDoor(client, SearchSettings(), SystemClock(), create_meter())
    yield made
    await made.close()


def question(body, alias=ALIAS):
    return View(LOCAL, IndexSettings(**{**INDEX, "alias": alias})).ask(body)


async def test_a_door_finds_by_words(door, corpus):
    id_, film = next(iter(corpus.items()))
    part = {"multi_match": {"query": film["text"], "fields": ["title^1", "text^1"], "boost": 1.0}}
    body = {"query": {"bool": {"should": [part], "minimum_should_match": 1}}, "size": 2}
    found = await door.search(question(body))
    first = found["hits"]["hits"][0]
    assert first["_id"] == id_
    assert first["_score"] > 0
    assert {**film, "_streamer": first["_source"]["_streamer"]}.items() <= first["_source"].items()
    assert len(found["hits"]["hits"]) <= 2
    assert (found["timed_out"], found["_shards"]["failed"]) == (False, 0)


async def test_a_door_filters(door):
    semantic = {"field": "text_embedding", "query_vector": await door.infer(ENDPOINT, "the world"), "boost": 1.0}
    filters = [{"terms": {"genres": ["Horror"]}}, {"range": {"year": {"gte": 2000}}}]
    query = {"bool": {"should": [{"sparse_vector": semantic}], "minimum_should_match": 1, "filter": filters}}
    hits = (await door.search(question({"query": query, "size": 10})))["hits"]["hits"]
    assert hits
    assert all("Horror" in hit["_source"]["genres"] and hit["_source"]["year"] >= 2000 for hit in hits)


async def test_a_door_infers(door):
    tokens = await door.infer(ENDPOINT, "a red fox")
    assert tokens
    assert all(isinstance(token, str) and weight > 0 for token, weight in tokens.items())


async def test_the_real_door_tells_errors_apart(corpus, elastic):
    client = Elastic(ElasticsearchSettings(urls=[elastic.url]))
    door = ElasticDoor(client, SearchSettings(), SystemClock(), create_meter())
    try:
        with pytest.raises(InferenceUnavailable) as caught:
            await door.infer(f"{NAME}-nothing", "x")
        assert isinstance(caught.value.__cause__, ElasticRefused)
        with pytest.raises(ElasticRefused) as refused:
            await door.search(question({"size": 0}, f"{NAME}-nothing"))
        assert refused.value.status == 404
    finally:
        await door.close()
    gone = Elastic(ElasticsearchSettings(urls=["http://127.0.0.1:9"]))
    try:
        with pytest.raises(ElasticUnavailable):
            await gone.post("/_search", {})
    finally:
        await gone.close()


# The command, as people start it.

FILE = """
[listen]
port = 0
[admin]
port = 0
[elasticsearch]
urls = ["{url}"]
[[indices]]
name = "films"
alias = "{alias}"
inference_endpoint = "{endpoint}"
lexical_fields = {{ title = 1, text = 1 }}
"""


def test_the_command_serves_and_stops_when_asked(corpus, elastic, tmp_path):
    config, log = tmp_path / "search_api.toml", tmp_path / "log"
    config.write_text(FILE.format(url=elastic.url, alias=ALIAS, endpoint=ENDPOINT))

    def listening():
        assert process.poll() is None, log.read_text()
        events = (json.loads(line) for line in log.read_text().splitlines() if line.endswith("}"))
        return next((event for event in events if event["event"] == "listening"), None)

    with log.open("w") as output:
        command = [sys.executable, "-m", "search_api", "--config", str(config)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        event = until(listening, "the service to listen")
        assert httpx.get(f"{event['address']}search?q=world").json()["hits"]
        assert "<title>Search</title>" in httpx.get(event["address"]).text
        admin = event["admin"].removesuffix("/metrics")
        until(lambda: httpx.get(f"{admin}/readyz").is_success, "the admin port to be ready")
        assert (
            'search_api_searches_total{index="films",mode="hybrid",result="ok"} 1.0' in httpx.get(event["admin"]).text
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (searched,) = [line for line in lines if line.get("route") == "/search"]
    assert {"event": "request", "status": 200, "index": "films", "mode": "hybrid"}.items() <= searched.items()
    assert "world" not in log.read_text()
    assert lines[-1]["event"] == "stopped"
