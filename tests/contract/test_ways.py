"""Walks, explanations, similar documents and suggestions on the local stack."""

import asyncio
import math
from itertools import pairwise

import httpx
import orjson
import pytest

from search_api.app import Parts, create_app, create_meter
from search_api.elastic import ElasticDoor
from search_api.settings import Settings
from streamer.clock import SystemClock
from streamer.elastic import Elastic
from streamer.settings import ElasticsearchSettings
from tests.fixtures.waiting import until

NAME = "ways-contract"
DEPLOYMENT, ENDPOINT, ALIAS, CONCRETE = (f"{NAME}-{part}" for part in ("deployment", "endpoint", "alias", "000001"))
COUNT = 20_000
PAGE = 1_000
QUERY = "a heist in the night"
LEAKS = (ALIAS, CONCRETE, ENDPOINT, DEPLOYMENT, "text_embedding", "_streamer", "exception", "elasticsearch")
TITLES = ["Reservoir Dogs", "Reservoir Cats", "The Reservoir", "Dogs of War"]
MAPPING = {
    "properties": {
        "title": {"type": "text", "analyzer": "english"},
        "text": {"type": "text", "analyzer": "english"},
        "year": {"type": "integer"},
        "kind": {"type": "keyword"},
        "text_embedding": {"type": "sparse_vector"},
        "_streamer": {"type": "object", "enabled": False},
    }
}
INDEX = {
    "name": "films",
    "alias": ALIAS,
    "inference_endpoint": ENDPOINT,
    "lexical_fields": {"title": 1, "text": 1},
    "lexical_boost": 2,
    "filters": {"year": "integer", "kind": "keyword"},
}


def document(number, query_tokens):
    """Return the document of a number: all have the query's words and some of its tokens, each with other weights."""
    kept = dict(list(query_tokens.items())[: 3 + number % 5])
    weights = {token: round(0.5 + (number * 7919 % 97) / 50, 3) for token in kept}
    return {
        "title": TITLES[number] if number < len(TITLES) else f"Number {number}",
        "text": "heist " * (1 + number % 3) + f"n{number}",
        "year": 1900 + number % 120,
        "kind": "many",
        "text_embedding": weights,
        "_streamer": {"topic": "films"},
    }


def write(url, documents):
    lines = []
    for id_, one in documents:
        lines += [orjson.dumps({"index": {"_index": ALIAS, "_id": id_}}), orjson.dumps(one)]
    headers = {"content-type": "application/x-ndjson"}
    answer = httpx.post(f"{url}/_bulk", content=b"\n".join(lines) + b"\n", headers=headers, timeout=60)
    assert answer.json()["errors"] is False


@pytest.fixture(scope="module")
def tokens(elastic):
    """The tokens of the query, those with the most weight first."""
    elastic.start_deployment(DEPLOYMENT, model=".elser_model_2")
    elastic.attach_endpoint(ENDPOINT, DEPLOYMENT)
    (found,) = elastic.tokens(ENDPOINT, [QUERY])
    yield dict(sorted(found.items(), key=lambda item: -item[1]))
    elastic.remove(f"/_inference/sparse_embedding/{ENDPOINT}?force=true")
    elastic.stop_deployment(DEPLOYMENT)


@pytest.fixture(scope="module")
def corpus(elastic, tokens):
    """20,000 documents behind an alias, by id."""
    documents = {str(number): document(number, tokens) for number in range(COUNT)}
    fill(elastic, documents)
    yield documents
    elastic.remove(f"/{CONCRETE}")


def fill(elastic, documents):
    """Make the index, with these documents and no others."""
    elastic.remove(f"/{CONCRETE}")
    shards = {"index.number_of_shards": 2, "index.number_of_replicas": 0}
    elastic.ask("PUT", f"/{CONCRETE}", {"settings": shards, "mappings": MAPPING, "aliases": {ALIAS: {}}})
    items = [*documents.items()]
    for start in range(0, len(items), PAGE):
        write(elastic.url, items[start : start + PAGE])
    elastic.ask("POST", f"/{ALIAS}/_refresh")


class Service:
    """The service in this process, over the real door."""

    def __init__(self, elastic, **changes):
        limits = {"size": PAGE}
        search = {"timeout_ms": 30_000}
        settings = Settings(
            elasticsearch=ElasticsearchSettings(urls=[elastic.url]),
            **{"indices": [INDEX], "limits": limits, "search": search, **changes},
        )
        clock, meter = SystemClock(), create_meter()
        door = ElasticDoor(Elastic(settings.elasticsearch), settings.search, clock, meter)
        self.parts = Parts(settings, door, clock, meter)
        transport = httpx.ASGITransport(create_app(self.parts), raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.http.aclose()
        await self.parts.close()

    async def post(self, path, body, status=200):
        response = await self.http.post(path, json=body)
        assert response.status_code == status, response.text
        assert [word for word in LEAKS if word in response.text.lower()] == []
        return response.json() if response.content else None


@pytest.fixture
async def service(corpus, elastic):
    async with Service(elastic) as running:
        yield running


def contexts(elastic):
    """Return how many searches Elasticsearch keeps open, points in time included."""
    return elastic.ask("GET", f"/{CONCRETE}/_stats/search")["_all"]["primaries"]["search"]["open_contexts"]


class Writer:
    """Adds, changes and removes documents, one bulk after the other, as long as it is entered."""

    def __init__(self, elastic, tokens):
        self.elastic, self.tokens, self.bulks, self._over = elastic, tokens, 0, False

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_):
        self._over = True
        await self._task

    async def _run(self):
        while not self._over:
            await asyncio.to_thread(self._disturb)
            self.bulks += 1

    def _disturb(self):
        fresh = [(f"new {self.bulks} {number}", document(number, self.tokens)) for number in range(50)]
        # As if it were rewritten: other weights, another place in the order.
        changed = [(str(number), document(number + 1, self.tokens)) for number in range(self.bulks % 50, COUNT, 400)]
        write(self.elastic.url, fresh + changed)
        self.elastic.remove(f"/{ALIAS}/_doc/{COUNT - 1 - self.bulks}")
        self.elastic.ask("POST", f"/{ALIAS}/_refresh")


async def test_a_walk_sees_each_of_20000_hits_once_while_documents_are_written(service, elastic, corpus, tokens):
    before = contexts(elastic)
    pages = []
    async with Writer(elastic, tokens) as writer:
        wanted = {"search": {"query": QUERY, "mode": "semantic", "size": PAGE, "fields": ["year"]}, "keep_alive_s": 60}
        page = await service.post("/search/cursor", wanted)
        began = writer.bulks
        while True:
            pages.append(page)
            if page["cursor"] is None:
                break
            page = await service.post("/search/cursor/next", {"cursor": page["cursor"]})
        assert writer.bulks - began >= 5, "nothing was written meanwhile"
    seen = [hit["id"] for page in pages for hit in page["hits"]]
    assert len(seen) == len(set(seen))
    # The first bulks may have come before the walk.
    assert len([id_ for id_ in seen if not id_.startswith("new")]) >= COUNT - began - 1
    assert len([id_ for id_ in seen if id_.startswith("new")]) <= 50 * (began + 1)
    scores = [hit["score"] for page in pages for hit in page["hits"]]
    assert all(one >= other for one, other in pairwise(scores))
    until(lambda: contexts(elastic) == before, "the point in time to be closed")
    # What the walk did not see is there all the same.
    newest = await service.post("/search", {"query": QUERY, "mode": "lexical", "size": 1, "total": True})
    assert newest["total"] > COUNT
    fill(elastic, corpus)


@pytest.mark.parametrize(
    "search",
    [
        {"mode": "lexical", "sort": [{"field": "year", "order": "asc"}]},
        {"mode": "hybrid", "fusion": "weighted"},
        {"mode": "semantic", "filters": [{"field": "year", "lt": 1910}], "facets": [{"field": "year"}], "total": True},
    ],
)
async def test_every_order_can_be_walked(service, corpus, search):
    size = 700
    page = await service.post(
        "/search/cursor", {"search": {"query": QUERY, "size": size, "fields": ["year"], **search}}
    )
    assert ("facets" in page, "total" in page) == ("facets" in search, "total" in search)
    seen, years = [], []
    for _ in range(3):
        seen += [hit["id"] for hit in page["hits"]]
        years += [hit["source"]["year"] for hit in page["hits"]]
        if page["cursor"] is None:
            break
        last, page = page, await service.post("/search/cursor/next", {"cursor": page["cursor"]})
        # With the last page the walk is over.
        if page["cursor"] is not None:
            again = await service.post("/search/cursor/next", {"cursor": last["cursor"]})
            assert [hit["id"] for hit in again["hits"]] == [hit["id"] for hit in page["hits"]]
    else:
        await service.post("/search/cursor/close", {"cursor": page["cursor"]}, status=204)
        gone = await service.post("/search/cursor/next", {"cursor": page["cursor"]}, status=410)
        assert gone["type"] == "/problems/cursor-expired"
    assert len(seen) == len(set(seen))
    if "filters" in search:
        assert sorted(seen) == sorted(id_ for id_, one in corpus.items() if one["year"] < 1910)
    else:
        assert len(seen) == 3 * size
    if "sort" in search:
        assert years == sorted(years)


async def test_explanations_say_what_elasticsearch_counted(service, corpus, tokens):
    wanted = {"query": QUERY, "mode": "hybrid", "fusion": "weighted", "size": 5, "explain": True}
    answer = await service.post("/search", wanted)
    for hit in answer["hits"]:
        semantic, lexical = hit["explanation"]["parts"]
        assert semantic["adds"] + lexical["adds"] == pytest.approx(hit["score"], rel=1e-4)
        stored = corpus[hit["id"]]["text_embedding"]
        assert {row["token"]: row["document"] for row in semantic["tokens"]} == pytest.approx(stored, rel=0.01)
        product = math.fsum(weight * tokens[token] for token, weight in stored.items())
        # Elasticsearch keeps 9 significant bits of a weight (es: SparseVectorFieldMapper).
        assert semantic["adds"] == pytest.approx(product, rel=0.01)
        assert math.fsum(row["adds"] for row in semantic["tokens"]) == pytest.approx(product, rel=0.01)


async def test_tokens_that_the_source_leaves_out_are_unknown_and_no_error(elastic, tokens):
    name = f"{NAME}-bare"
    bare = {**MAPPING, "_source": {"excludes": ["text_embedding"]}}
    elastic.ask("PUT", f"/{name}", {"mappings": bare})
    try:
        elastic.ask("PUT", f"/{name}/_doc/1", document(1, tokens), refresh="true")
        async with Service(elastic, indices=[{**INDEX, "alias": name}]) as service:
            wanted = {"query": QUERY, "mode": "semantic", "explain": True}
            (hit,) = (await service.post("/search", wanted))["hits"]
            (part,) = hit["explanation"]["parts"]
            assert part["score"] == pytest.approx(hit["score"])
            assert part["tokens"] is None
            problem = await service.post("/similar", {"id": "1"}, status=422)
            assert problem["type"] == "/problems/document-without-tokens"
    finally:
        elastic.remove(f"/{name}")


async def test_similar_documents_are_those_with_its_tokens(service, elastic, corpus):
    before = elastic.inferences(DEPLOYMENT)
    answer = await service.post("/similar", {"id": "7", "size": 10, "filters": [{"field": "year", "gte": 1950}]})
    assert "7" not in [hit["id"] for hit in answer["hits"]]
    own = corpus["7"]["text_embedding"]

    def product(id_):
        return math.fsum(weight * corpus[id_]["text_embedding"].get(token, 0) for token, weight in own.items())

    best = max(product(id_) for id_, one in corpus.items() if id_ != "7" and one["year"] >= 1950)
    assert answer["hits"][0]["score"] == pytest.approx(best, rel=0.01)
    assert all(hit["source"]["year"] >= 1950 for hit in answer["hits"])
    assert elastic.inferences(DEPLOYMENT) == before
    assert (await service.post("/similar", {"id": "nothing"}, status=404))["type"] == "/problems/unknown-document"


@pytest.mark.parametrize(
    ("typed", "first", "others"),
    [
        ("res", None, {"Reservoir Dogs", "Reservoir Cats", "The Reservoir"}),
        ("reservoir d", "Reservoir Dogs", set()),
        ("dog", None, {"Reservoir Dogs", "Dogs of War"}),
        ("dogs of w", "Dogs of War", set()),
        ("zzz", None, set()),
        ('") OR *', None, set()),
    ],
)
async def test_suggestions_have_what_was_typed(service, typed, first, others):
    found = [one["text"] for one in (await service.post("/suggest", {"query": typed}))["suggestions"]]
    assert set(found) == others | ({first} if first else set())
    assert first is None or found[0] == first


async def test_several_searches_share_a_request(service):
    searches = [{"query": QUERY, "mode": mode, "size": 1} for mode in ("semantic", "lexical")]
    results = (await service.post("/search/multi", {"searches": [*searches, {"query": ""}]}))["results"]
    assert [one["status"] for one in results] == [200, 200, 422]
    assert all(one["answer"]["hits"] for one in results[:2])


async def test_a_rendered_search_is_one_that_elasticsearch_takes(service, elastic):
    wanted = {"query": QUERY, "size": 3, "filters": [{"field": "year", "gte": 1950}]}
    response = await service.http.post("/admin/render", json=wanted)
    (one,) = response.json()["requests"]
    assert ALIAS not in response.text
    found = elastic.ask(one["method"], one["path"].replace("films", ALIAS, 1), one["body"])
    asked = await service.post("/search", wanted)
    assert [hit["_id"] for hit in found["hits"]["hits"]] == [hit["id"] for hit in asked["hits"]]
