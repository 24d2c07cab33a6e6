"""Walks, similar documents, suggestions, explanations and several searches see what a search sees, and no more."""

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.search_api.access.scopes import KEYS, REQUESTS, TOKENS, allowed, as_row, visible
from tests.unit.search_api.access.shops import (
    CORPUS,
    SIGNING_KEY,
    ShopDoor,
    application,
    bearer,
    row,
    text,
    token,
)

WALK = {"search": {"query": "thing", "mode": "lexical", "size": 4}}
DOCUMENTS = st.sampled_from([(alias, id_) for alias, documents in CORPUS.items() for id_ in documents])


def client_of(app, credentials):
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=bearer(credentials))


async def walked(client, search):
    """Return the ids that a walk sees, page by page, or the status that refuses it."""
    response = await client.post("/search/cursor", json={"search": search})
    seen = []
    while response.status_code == 200:
        page = response.json()
        seen += [hit["id"] for hit in page["hits"]]
        if page["cursor"] is None:
            return seen
        response = await client.post("/search/cursor/next", json={"cursor": page["cursor"]})
    return response.status_code


@settings(deadline=None, max_examples=100)
@given(KEYS, TOKENS, REQUESTS, DOCUMENTS)
async def test_every_way_sees_what_a_search_sees(key, derived, request, document):
    credentials = text() if derived is None else token(**derived)
    names = allowed(key, derived)
    name = request.get("index", names[0] if names else None)
    said = [derived] if derived else []
    async with client_of(application(as_row(key)), credentials) as client:
        seen = await walked(client, {"query": "thing", "size": 4, **request})
        similar = await client.post("/similar", json={"id": document[1], "size": 100, **of(request)})
        suggested = await client.post("/suggest", json={"query": "g", "size": 20, **of(request)})
        wanted = {"query": "thing", "size": 100, "explain": True, **request}
        several = await client.post("/search/multi", json={"searches": [wanted]})
    (outcome,) = several.json()["results"]
    if name not in names:
        assert (seen, similar.status_code, suggested.status_code, outcome["status"]) == (404, 404, 404, 404)
        return
    wide, narrow = visible(name, key, *said), visible(name, key, request, *said)
    assert sorted(seen) == sorted(narrow)
    assert {hit["id"] for hit in outcome["answer"]["hits"]} == narrow
    assert {one["id"] for one in suggested.json()["suggestions"]} <= narrow
    if document[1] in wide:
        assert {hit["id"] for hit in similar.json()["hits"]} == narrow - {document[1]}
    else:
        assert similar.json()["type"] == "/problems/unknown-document"


def of(request):
    return {name: request[name] for name in ("index", "filters") if name in request}


async def first_cursor(client):
    return (await client.post("/search/cursor", json=WALK)).json()["cursor"]


@pytest.mark.parametrize(
    "other",
    [
        text("other"),
        token(filters=[{"field": "tenant", "any_of": ["a"]}]),
        token(indices=["goods"]),
    ],
    ids=["another key", "a token with filters", "a token for one index"],
)
@pytest.mark.parametrize("path", ["/search/cursor/next", "/search/cursor/close"])
async def test_a_cursor_is_of_no_use_to_others(other, path):
    door = ShopDoor()
    app = application(row(signing_key=SIGNING_KEY), row("other"), door=door)
    async with client_of(app, text()) as owner, client_of(app, other) as thief:
        cursor = await first_cursor(owner)
        asked = len(door.searches)
        response = await thief.post(path, json={"cursor": cursor})
        assert response.json()["type"] == "/problems/invalid-cursor"
        # And the other way round: a narrow cursor does not open what its owner may see.
        backwards = await owner.post(path, json={"cursor": await first_cursor(thief)})
        assert backwards.json()["type"] == "/problems/invalid-cursor"
        assert len(door.searches) == asked + 1
        assert len(door.points) == 2
        assert (await owner.post("/search/cursor/next", json={"cursor": cursor})).status_code == 200


async def test_tokens_of_a_key_share_its_number_of_walks():
    app = application(row(signing_key=SIGNING_KEY), row("other"))
    for number in range(10):
        async with client_of(app, token(filters=[{"field": "year", "gte": 1990 + number}])) as client:
            assert await first_cursor(client)
    async with client_of(app, text()) as client, client_of(app, text("other")) as other:
        refused = await client.post("/search/cursor", json=WALK)
        assert refused.json()["type"] == "/problems/too-many-cursors"
        assert await first_cursor(other)


async def test_only_scope_admin_is_told_what_would_be_asked():
    app = application(row(filters=[{"field": "tenant", "any_of": ["a"]}]), row("admin", scopes=["admin", "search"]))
    wanted = {"query": "thing", "mode": "lexical"}
    async with client_of(app, text()) as client, client_of(app, text("admin")) as admin:
        refused = await client.post("/admin/render", json=wanted)
        assert refused.json()["type"] == "/problems/forbidden"
        (one,) = (await admin.post("/admin/render", json=wanted)).json()["requests"]
        assert one["path"] == "/goods/_search"


async def test_what_would_be_asked_has_the_filters_of_its_caller():
    app = application(row("admin", scopes=["admin"], filters=[{"field": "tenant", "any_of": ["a"]}]))
    async with client_of(app, text("admin")) as admin:
        (one,) = (await admin.post("/admin/render", json={"query": "thing", "mode": "lexical"})).json()["requests"]
    assert one["body"]["query"]["bool"]["filter"] == [{"terms": {"tenant": ["a"]}}]


async def test_without_credentials_nothing_is_answered():
    app = application(row())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for path in ("/search/cursor", "/search/cursor/next", "/search/multi", "/similar", "/suggest", "/presets/x"):
            assert (await client.post(path, json={})).status_code == 401, path
        assert (await client.get("/presets")).status_code == 401
