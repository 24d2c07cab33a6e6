"""Whatever a key, a token and a request say, a caller sees what all of them allow, and all of that."""

import httpx
from hypothesis import given, settings

from tests.unit.search_api.access.scopes import KEYS, REQUESTS, TOKENS, allowed, as_row, visible
from tests.unit.search_api.access.shops import application, bearer, text, token


@settings(deadline=None, max_examples=300)
@given(KEYS, TOKENS, REQUESTS)
async def test_no_scope_crosses(key, derived, request):
    app = application(as_row(key))
    credentials = text() if derived is None else token(**derived)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=bearer(credentials)) as client:
        response = await client.post("/search", json={"query": "thing", "size": 100, **request})
        told = (await client.get("/indices")).json()["indices"]
    names = allowed(key, derived)
    wanted = request.get("index", names[0] if names else None)
    assert [one["name"] for one in told] == names
    if wanted not in names:
        assert response.status_code == 404
        return
    assert response.status_code == 200
    found = {hit["id"] for hit in response.json()["hits"]}
    assert found == visible(wanted, key, request, *([derived] if derived else []))
