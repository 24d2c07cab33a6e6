"""Bodies: whole, small and shallow, in time."""

import asyncio
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_api.access.body import BodyLimit, is_deeper
from search_api.edge import refuse
from search_api.settings import LimitSettings
from tests.unit.search_api.access.shops import application

JSON = {"content-type": "application/json"}


async def post(content, **settings):
    transport = httpx.ASGITransport(application(**settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/search", content=content, headers=JSON)


@pytest.mark.parametrize(
    "content",
    [b"[" * 60_000, b'{"a":' * 5_000, b'{"query": "x", "filters": ' + b"[" * 21 + b"]" * 21 + b"}", b"[" * 21],
)
async def test_a_deep_body_is_refused(content):
    response = await post(content)
    assert (response.status_code, response.json()["type"]) == (400, "/problems/body-too-deep")


async def test_brackets_in_texts_are_no_depth():
    assert (await post(b'{"mode": "lexical", "query": "' + b"[{" * 30 + b'\\"[[["}')).status_code == 200


TREES = st.recursive(
    st.text(alphabet='[]{}"\\a', max_size=8) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='[{"\\', max_size=3), inner, max_size=3)
    ),
    max_leaves=30,
)


def depth(value):
    if not isinstance(value, list | dict):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth, inner), default=0)


@given(TREES, st.integers(1, 6))
def test_depth_is_counted_as_it_is(tree, most):
    assert is_deeper(json.dumps(tree).encode(), most) is (depth(tree) > most)


async def test_a_slow_body_is_given_up():
    never = asyncio.Event()
    sent, reached = [], []

    async def app(scope, receive, send):
        reached.append(scope)

    async def receive():
        await never.wait()

    async def send(message):
        sent.append(message)

    limited = BodyLimit(app, LimitSettings(), 0.01, refuse)
    await limited({"type": "http", "method": "POST", "headers": [], "request_id": "1"}, receive, send)
    assert sent[0]["status"] == 408
    assert reached == []
