"""Searches when things are slow, full or gone: by words without inference, refused beyond what Elasticsearch takes."""

import asyncio
import time
import uuid

import httpx
import pytest

from search_api.app import Parts, create_app, create_meter
from search_api.elastic import ElasticDoor
from search_api.settings import Settings
from streamer.clock import SystemClock
from streamer.elastic import Elastic
from streamer.settings import ElasticsearchSettings

MODES = ("semantic", "hybrid")
BUDGET_S = 0.5
NAME = f"degraded-{uuid.uuid4()}"
ALIAS, DEPLOYMENT, ENDPOINT = (f"{NAME}-{part}" for part in ("alias", "deployment", "endpoint"))
MAPPING = {
    "properties": {
        "text": {"type": "text", "analyzer": "english"},
        "text_embedding": {"type": "sparse_vector"},
    }
}
INDEX = {"name": "films", "alias": ALIAS, "inference_endpoint": ENDPOINT, "lexical_fields": {"text": 1}}


@pytest.fixture(scope="module")
def index(elastic):
    """Ten documents with the words that every query here holds, and an endpoint over a synthetic deployment."""
    elastic.ask("PUT", f"/{NAME}", {"mappings": MAPPING, "aliases": {ALIAS: {}}})
    for number in range(10):
        body = {"text": f"a heist in casino number {number}", "text_embedding": {"heist": 1.0 + number}}
        elastic.ask("PUT", f"/{NAME}/_doc/{number}", body)
    elastic.ask("POST", f"/{NAME}/_refresh")
    elastic.synthetic(DEPLOYMENT, base_ms=5, ms_per_token=0, sigma=0)
    elastic.start_deployment(DEPLOYMENT)
    elastic.attach_endpoint(ENDPOINT, DEPLOYMENT)
    yield
    elastic.heal()
    elastic.remove(f"/_inference/sparse_embedding/{ENDPOINT}?force=true")
    elastic.stop_deployment(DEPLOYMENT)
    elastic.remove(f"/{NAME}")


class Service:
    """The service in this process over the real door, with a breaker that tries again soon."""

    def __init__(self, url, **search):
        breaker = {"failures": 3, "open_s": 0.5}
        settings = Settings(
            elasticsearch=ElasticsearchSettings(urls=[url]),
            indices=[INDEX],
            expansion={"breaker": breaker},
            search=search,
        )
        clock, meter = SystemClock(), create_meter()
        door = ElasticDoor(Elastic(settings.elasticsearch, 100), settings.search, clock, meter)
        self.parts = Parts(settings, door, clock, meter)
        transport = httpx.ASGITransport(create_app(self.parts), raise_app_exceptions=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60)
        self._asked = 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self._http.aclose()
        await self.parts.close()

    async def ask(self, **wanted):
        return await self._http.post("/search", json=wanted)

    async def search(self, query="heist", **wanted):
        response = await self.ask(query=query, **wanted)
        assert response.status_code == 200, response.text
        return response.json()

    async def search_anew(self, mode="hybrid"):
        """Search for a text that nobody has asked for, so that it needs an inference."""
        self._asked += 1
        return await self.search(f"heist {uuid.uuid4()}", mode=mode)

    async def recovered(self):
        """Search until tokens are there again."""
        async with asyncio.timeout(60):
            while "degraded" in await self.search_anew():  # noqa: ASYNC110 - what is waited for is elsewhere
                await asyncio.sleep(0.1)

    async def ready(self):
        return (await self._http.get("/readyz")).json()


@pytest.fixture
async def service(index, elastic):
    async with Service(elastic.url) as running:
        await running.recovered()
        yield running


def by_words(answer):
    assert answer["degraded"] == "inference"
    assert len(answer["hits"]) == 10
    return answer


async def test_a_deployment_that_is_stopped(service, elastic):
    kept = await service.search("heist of before", mode="semantic")
    assert "degraded" not in kept
    elastic.stop_deployment(DEPLOYMENT)
    try:
        for mode in MODES * 4:
            by_words(await service.search_anew(mode))
        hybrid, lexical = [await service.search("heist nobody asked", mode=mode) for mode in ("hybrid", "lexical")]
        assert hybrid["hits"] == lexical["hits"]
        assert "degraded" not in lexical
        assert "degraded" not in await service.search("heist of before", mode="semantic")
        report = await service.ready()
        assert (report["ready"], report["indices"]) == (True, {"films": "ok"})
        assert report["inference"]["films"] != "ok"
    finally:
        elastic.start_deployment(DEPLOYMENT)
    await service.recovered()


async def test_a_deployment_that_is_slow(service, elastic):
    elastic.fault("slow", deployment=DEPLOYMENT, factor=1, delay_ms=4_000)
    try:
        began = time.monotonic()
        await asyncio.gather(*(service.search_anew() for _ in range(3)))
        assert time.monotonic() - began >= BUDGET_S
        # The breaker is open: nothing waits for the budget any more.
        began = time.monotonic()
        for _ in range(10):
            by_words(await service.search_anew())
            if time.monotonic() - began > BUDGET_S:
                break
        inferences = service.parts.expansion._cache.counts["computed"]
        assert inferences <= 3 + 1 + 1
    finally:
        elastic.heal()
    await service.recovered()


async def test_a_deployment_whose_queue_is_full(service, elastic):
    elastic.stop_deployment(DEPLOYMENT)
    elastic.start_deployment(DEPLOYMENT, queue_capacity=2)
    elastic.fault("stall", deployment=DEPLOYMENT)
    try:
        answers = await asyncio.gather(*(service.search_anew() for _ in range(20)))
        for answer in answers:
            by_words(answer)
        for mode in MODES:
            by_words(await service.search_anew(mode))
    finally:
        elastic.heal()
        elastic.stop_deployment(DEPLOYMENT)
        elastic.start_deployment(DEPLOYMENT)
    await service.recovered()


async def test_identical_queries_at_once_are_one_inference(service, elastic):
    before = elastic.inferences(DEPLOYMENT)
    text = f"heist {uuid.uuid4()}"
    answers = await asyncio.gather(*(service.search(text, mode="semantic") for _ in range(20)))
    assert all("degraded" not in answer for answer in answers)
    assert elastic.inferences(DEPLOYMENT) == before + 1


async def test_tokens_are_kept_by_the_model_behind_the_endpoint(service):
    door = service.parts.expansion._door
    assert await door.model(ENDPOINT) == "synthetic"


def overloaded(response, name):
    """Return whether an answer is this problem, and not an answer."""
    assert response.status_code in {200, 503}, response.text
    if response.status_code == 200:
        return False
    assert response.json()["type"] == f"/problems/{name}"
    assert response.headers["retry-after"] == "1"
    return True


async def test_beyond_the_limit_searches_are_refused_at_once(index, elastic):
    one = {"initial": 1, "least": 1, "most": 1}
    async with Service(elastic.url, concurrency=one) as service:
        answers = await asyncio.gather(*(service.ask(query="heist", mode="lexical") for _ in range(10)))
        refused = [overloaded(answer, "overloaded") for answer in answers]
        # Who comes first goes through; nobody waited for it, and it is free again.
        assert refused == [False] + [True] * 9
        assert not overloaded(await service.ask(query="heist", mode="lexical"), "overloaded")
        assert "search_api_shed_total 9.0" in service.parts.meter.exposition().decode()
        assert 'mode="lexical",result="shed"} 9.0' in service.parts.meter.exposition().decode()


async def test_refusals_of_elasticsearch_lower_the_limit(index, elastic):
    async with Service(elastic.url, concurrency={"initial": 10, "least": 2}) as service:
        elastic.fault("http_status", status=429, path=f"/{ALIAS}/_search")
        try:
            for _ in range(5):
                assert overloaded(await service.ask(query="heist", mode="lexical"), "search-overloaded")
        finally:
            elastic.heal()
        assert "search_api_elasticsearch_limit 5.0" in service.parts.meter.exposition().decode()
        assert not overloaded(await service.ask(query="heist", mode="lexical"), "search-overloaded")


async def test_a_search_that_gets_no_answer_in_its_time_is_given_up(index, elastic, stack):
    async with Service(elastic.url) as service:
        stack.elasticsearch.suspend()
        try:
            began = time.monotonic()
            response = await service.ask(query="heist", mode="lexical", timeout_ms=400)
            assert 0.4 <= time.monotonic() - began < 2.0
            assert (response.status_code, response.json()["type"]) == (504, "/problems/search-timeout")
        finally:
            stack.elasticsearch.resume()
        assert not overloaded(await service.ask(query="heist", mode="lexical"), "overloaded")
