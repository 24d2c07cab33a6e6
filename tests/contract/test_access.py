"""Access on the local stack: whatever is asked, hits, totals and counts are those of what the caller may see."""

from collections import Counter

import httpx
import pytest
from hypothesis import HealthCheck, given, settings

from search_api.app import Parts, create_app, create_meter
from search_api.elastic import ElasticDoor
from search_api.settings import Settings
from streamer.clock import SystemClock
from streamer.elastic import Elastic
from streamer.settings import ElasticsearchSettings
from tests.unit.search_api.access import scopes
from tests.unit.search_api.access.scopes import allowed, visible
from tests.unit.search_api.access.shops import (
    CORPUS,
    INDICES,
    SIGNING_KEY,
    TENANTS,
    bearer,
    row,
    text,
    token,
)

DEPLOYMENT, ENDPOINT = "access-contract-deployment", "access-contract-endpoint"
MAPPING = {
    "properties": {
        "tenant": {"type": "keyword"},
        "year": {"type": "integer"},
        "color": {"type": "text", "fields": {"keyword": {"type": "keyword"}}},
        "text": {"type": "text"},
        "place": {"type": "keyword"},
        "text_embedding": {"type": "sparse_vector"},
    }
}
FACETS = [{"field": "tenant"}, {"field": "tenant", "disjunctive": True}, {"field": "year", "interval": 1}]


@pytest.fixture(scope="module")
def corpus(elastic):
    """The goods of the unit tests, in two indices behind aliases."""
    elastic.start_deployment(DEPLOYMENT, model=".elser_model_2")
    elastic.attach_endpoint(ENDPOINT, DEPLOYMENT)
    (tokens,) = elastic.tokens(ENDPOINT, ["thing"])
    for alias, documents in CORPUS.items():
        elastic.ask("PUT", f"/access-{alias}-000001", {"mappings": MAPPING, "aliases": {f"access-{alias}": {}}})
        for id_, document in documents.items():
            elastic.ask("PUT", f"/access-{alias}/_doc/{id_}", document | {"text_embedding": tokens})
        elastic.ask("POST", f"/access-{alias}/_refresh")
    yield
    for alias in CORPUS:
        elastic.remove(f"/access-{alias}-000001")
    elastic.remove(f"/_inference/sparse_embedding/{ENDPOINT}?force=true")
    elastic.stop_deployment(DEPLOYMENT)


def parts_of(url, key):
    indices = [one | {"alias": f"access-{one['alias']}", "inference_endpoint": ENDPOINT} for one in INDICES]
    patient = {"search": {"timeout_ms": 40_000, "inference_timeout_ms": 20_000}, "expansion": {"budget_ms": 20_000}}
    made = Settings(elasticsearch=ElasticsearchSettings(urls=[url]), indices=indices, access={"keys": [key]}, **patient)
    clock, meter = SystemClock(), create_meter()
    return Parts(made, ElasticDoor(Elastic(made.elasticsearch), made.search, clock, meter), clock, meter)


async def ask(url, key, credentials, body):
    parts = parts_of(url, key)
    transport = httpx.ASGITransport(create_app(parts))
    try:
        async with httpx.AsyncClient(
            transport=transport, base_url="http://test", headers=bearer(credentials)
        ) as client:
            return await client.post("/search", json=body, timeout=60)
    finally:
        await parts.close()


EXP = 4_000_000_000


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scopes.KEYS, scopes.TOKENS, scopes.REQUESTS)
async def test_no_scope_crosses(corpus, elastic, key, derived, request):
    made = scopes.as_row(key)
    credentials = text() if derived is None else token(exp=EXP, **derived)
    more = {"query": "thing", "fusion": "weighted", "size": 100, "total": True, "facets": FACETS}
    response = await ask(elastic.url, made, credentials, request | more)
    names = allowed(key, derived)
    wanted = request.get("index", names[0] if names else None)
    if wanted not in names:
        assert response.status_code == 404
        return
    assert response.status_code == 200, response.text
    answer = response.json()
    assert "degraded" not in answer
    own = [key] if derived is None else [key, derived]
    seen = visible(wanted, *own, request)
    assert {hit["id"] for hit in answer["hits"]} == seen
    assert answer.get("total", len(seen)) == len(seen)
    by_tenant, of_others, by_year = (counts(facet) for facet in answer["facets"])
    assert by_tenant == count(wanted, seen, "tenant")
    assert by_year == count(wanted, seen, "year")
    assert of_others <= count(wanted, visible(wanted, *own), "tenant")


def counts(facet):
    return Counter({one.get("value", one.get("gte")): one["count"] for one in facet["values"] if one["count"]})


def count(name, ids, field):
    documents = CORPUS[f"{name}-alias"]
    have = (documents[id_][field] for id_ in ids)
    return Counter(value for values in have for value in (values if isinstance(values, list) else [values]))


@pytest.mark.parametrize("tenant", TENANTS)
async def test_words_of_another_tenant_are_neither_found_nor_told(corpus, elastic, tenant):
    """Query syntax is for the words alone: it cannot name a field to get around a filter."""
    key = row(filters=[{"field": "tenant", "any_of": [tenant]}], signing_key=SIGNING_KEY)
    for words in ("tenant:* OR *", "* OR _exists_:tenant", "NOT tenant:a", "thing) OR (tenant:b"):
        body = {"query": words, "mode": "lexical", "size": 100, "lexical": {"syntax": "query_string"}}
        response = await ask(elastic.url, key, text(), body)
        assert response.status_code in {200, 422}, response.text
        if response.status_code == 200:
            assert all(tenant in hit["source"]["tenant"] for hit in response.json()["hits"])
        assert "access-goods-alias" not in response.text
