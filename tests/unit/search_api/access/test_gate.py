"""Who is let in: credentials, scopes, limits, names; and what is told to those who are not."""

import asyncio
import base64
import hashlib
import hmac
from urllib.parse import unquote

import httpx
import msgspec
import pytest
import structlog
from fastapi.routing import APIRoute
from starlette.routing import Mount

from search_api.access import tokens
from search_api.access.gate import is_open
from search_api.access.hosts import Hosts
from tests.unit.search_api.access.shops import (
    SECRETS,
    SIGNING_KEY,
    ShopDoor,
    application,
    bearer,
    row,
    text,
    token,
)
from tests.unit.search_api.fakes import FakeClock

SEARCH = "/search?q=thing&mode=lexical"


def connect(app, credentials=None, base_url="http://test"):
    headers = bearer(credentials) if credentials else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=base_url, headers=headers)


async def ask(app, credentials=None, path=SEARCH, **headers):
    async with connect(app, credentials) as client:
        return await client.get(path, headers=headers)


def token_of(payload):
    """Return a token with any payload at all."""
    signed = f"st1.shop.{encoded(payload.encode())}"
    return f"{signed}.{encoded(hmac.digest(SIGNING_KEY.encode(), signed.encode(), hashlib.sha256))}"


def encoded(content):
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def name_of(response):
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["x-request-id"]
    return response.json()["type"].removeprefix("/problems/")


async def test_a_key_lets_in():
    app = application(row())
    assert (await ask(app, text())).status_code == 200
    async with connect(app) as client:
        assert (await client.get(SEARCH, headers={"x-api-key": text()})).status_code == 200


async def test_a_derived_token_lets_in():
    assert (await ask(application(row(signing_key=SIGNING_KEY)), token())).status_code == 200


async def test_without_credentials_one_is_told_how_to_give_them():
    response = await ask(application(row()))
    assert (response.status_code, name_of(response)) == (401, "credentials-missing")
    assert response.headers["www-authenticate"] == "Bearer"


def tampered(credentials, at):
    position = at % len(credentials)
    other = "A" if credentials[position] != "A" else "B"
    return f"{credentials[:position]}{other}{credentials[position + 1 :]}"


WRONG = {
    "another secret": text("other").replace("other", "shop"),
    "a name that is not there": text("admin"),
    "no secret": "sk1.shop.",
    "no name": f"sk1..{SECRETS['shop']}",
    "a part too many": f"{text()}.x",
    "the hash instead of the secret": f"sk1.shop.{row()['hash']}",
    "a token of another signing key": token(signing_key=SIGNING_KEY[::-1]),
    "a token signed with the secret of the key": token(signing_key=SECRETS["shop"]),
    "a token signed with the hash of the key": token(signing_key=row()["hash"]),
    "a token of a key that may not derive": token("other"),
    "a token of such a key, signed with nothing": token("other", signing_key="none"),
    "a token of no key": token("nobody"),
    "a token without a MAC": token().rpartition(".")[0],
    "a token with an empty MAC": token().rpartition(".")[0] + ".",
    "a token that is not JSON": "st1.shop.!!!.x",
    "a token of too many parts": f"{token()}.x",
    "a token that is padded": f"{token()}=",
    "what is neither": "nonsense",
    "a JSON Web Token without an issuer": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.",
}


@pytest.mark.parametrize("credentials", WRONG.values(), ids=WRONG)
async def test_wrong_credentials_are_refused_without_a_reason(credentials):
    app = application(row(signing_key=SIGNING_KEY), row("other"))
    with structlog.testing.capture_logs() as logged:
        response = await ask(app, credentials)
    assert (response.status_code, name_of(response)) == (401, "credentials-refused")
    assert "detail" not in response.json()
    assert logged[0]["event"] == "turned away"
    assert [secret for secret in (*SECRETS.values(), SIGNING_KEY, credentials) if secret in str(logged)] == []


@pytest.mark.parametrize(
    "credentials", [text(), token(filters=[{"field": "tenant", "any_of": ["a"]}], indices=["goods"])]
)
async def test_no_letter_of_credentials_can_be_changed(credentials):
    app = application(row(signing_key=SIGNING_KEY))
    assert (await ask(app, credentials)).status_code == 200
    async with connect(app) as client:
        for at in range(len(credentials)):
            response = await client.get(SEARCH, headers=bearer(tampered(credentials, at)))
            assert response.status_code == 401, at


@pytest.mark.parametrize(
    "said",
    [
        {"exp": None},
        {"exp": "10000"},
        {"exp": 1e4},
        {"exp": -1},
        {"exp": 10_000, "scope": "search"},
        {"exp": 10_000, "scopes": []},
        {"exp": 10_000, "scopes": ["everything"]},
        {"exp": 10_000, "filters": {"field": "tenant", "any_of": ["a"]}},
        {"exp": 10_000, "filters": [{"field": "tenant"}]},
        {"exp": 10_000, "filters": [{"field": "tenant", "any_of": []}]},
        {"exp": 10_000, "id": "a b"},
        {},
        [],
        None,
    ],
)
async def test_a_token_that_says_what_is_not_known_is_refused(said):
    response = await ask(application(row(signing_key=SIGNING_KEY)), tokens.derive("shop", SIGNING_KEY, said))
    assert (response.status_code, name_of(response)) == (401, "credentials-refused")


@pytest.mark.parametrize("levels", [6, 100, 700])
async def test_filters_of_a_token_may_not_be_deep(levels):
    condition = '{"field": "tenant", "any_of": ["a"]}'
    payload = '{"exp": 10000, "filters": [' + '{"all":[' * levels + condition + "]}" * levels + "]}"
    response = await ask(application(row(signing_key=SIGNING_KEY)), token_of(payload))
    assert (response.status_code, name_of(response)) == (401, "credentials-refused")


async def test_a_token_whose_filters_fit_no_index_sees_nothing():
    app = application(row(signing_key=SIGNING_KEY))
    for said in ({"field": "owner", "any_of": ["a"]}, {"field": "year", "any_of": ["2000"]}):
        response = await ask(app, token(filters=[said]))
        assert (response.status_code, name_of(response)) == (403, "forbidden")
        assert "goods-alias" not in response.text


async def test_credentials_end():
    clock = FakeClock()
    end = clock.now_ms() // 1000 + 60
    expires = "1970-01-01T00:18:00Z"
    assert end == 18 * 60 - 20
    app = application(row(signing_key=SIGNING_KEY, expires=expires), clock=clock)
    young = token(exp=end)
    assert [(await ask(app, one)).status_code for one in (text(), young)] == [200, 200]
    clock.now += 60
    assert (await ask(app, text())).status_code == 200
    assert name_of(await ask(app, young)) == "credentials-expired"
    clock.now += 20
    for one in (text(), token(exp=10_000)):
        response = await ask(app, one)
        assert (response.status_code, name_of(response)) == (401, "credentials-expired")


async def test_a_scope_is_needed():
    app = application(row(scopes=["standing"], signing_key=SIGNING_KEY), row("other"))
    for credentials, path in (
        (text(), SEARCH),
        (token(), SEARCH),
        (token(scopes=["search", "admin"]), SEARCH),
        (token(), "/standing"),
        (text("other"), "/standing"),
        (text("other"), "/admin/keys"),
    ):
        response = await ask(app, credentials, path)
        assert (response.status_code, name_of(response)) == (403, "forbidden")
    assert (await ask(app, text(), "/standing")).status_code == 404
    assert (await ask(app, token(scopes=["standing"]), "/standing")).status_code == 404


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", f"Bearer {text()}"), ("authorization", f"Bearer {text()}")],
        [("authorization", f"Bearer {text()}"), ("x-api-key", text())],
        [("authorization", f"Basic {text()}")],
        [("authorization", text())],
        [("authorization", "Bearer")],
        [("authorization", b"Bearer \xff")],
    ],
)
async def test_credentials_come_once_and_in_one_way(headers):
    async with connect(application(row())) as client:
        response = await client.get(SEARCH, headers=headers)
    assert (response.status_code, name_of(response)) == (401, "credentials-refused")


def paths(app):
    for route in app.routes:
        included = getattr(route, "original_router", None)
        yield from included.routes if included is not None else [route]


async def test_every_route_is_closed_but_for_those_that_are_the_same_for_all():
    app = application(row())
    closed = set()
    async with connect(app) as client:
        for route in paths(app):
            if isinstance(route, APIRoute):
                path = route.path.replace("{name}", "x")
                for method in route.methods:
                    status = (await client.request(method, path)).status_code
                    assert (status == 401) is not is_open(path), path
                closed |= {route.path} if not is_open(path) else set()
            else:
                assert isinstance(route, Mount)
                assert route.path == "/web"
    assert {"/search", "/indices", "/openapi.json"} <= closed


@pytest.mark.parametrize(
    "path",
    [
        "//search",
        "/web/../search",
        "/web/%2e%2e/search",
        "/web/..%2fsearch",
        "/problems/../search",
        "/%73earch",
        "/Search",
        "/search/",
    ],
)
async def test_no_trick_with_a_path_opens_a_door(path):
    door = ShopDoor()
    app = application(row(), door=door)
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"q=thing&mode=lexical",
        "root_path": "",
        "headers": [(b"host", b"test")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await app(scope, receive, send)
    assert sent[0]["status"] in {401, 404}
    assert door.searches == []


async def test_readiness_names_no_index_to_strangers():
    app = application(row(indices=["parts"]))
    assert (await ask(app, path="/readyz")).json() == {"ready": True, "indices": {}, "inference": {}}
    assert (await ask(app, text(), "/readyz")).json()["indices"] == {"parts": "ok"}
    assert (await ask(app, "nonsense", "/readyz")).status_code == 401


async def test_the_description_of_the_service_holds_only_ones_own_indices():
    app = application(row(indices=["parts"]), row("other", indices=[]))
    names = [{one["name"] for one in await parameters(app, text(name))} for name in ("shop", "other")]
    assert "tenant" in names[0]
    assert "tenant" not in names[1]


async def parameters(app, credentials):
    document = (await ask(app, credentials, "/openapi.json")).json()
    return document["paths"]["/search"]["get"]["parameters"]


async def test_requests_in_a_second_are_limited():
    clock = FakeClock()
    app = application(row(limits={"per_second": 2, "burst": 3}), row("other"), clock=clock)
    assert [(await ask(app, text())).status_code for _ in range(4)] == [200, 200, 200, 429]
    response = await ask(app, text())
    assert name_of(response) == "too-many-requests"
    assert response.headers["retry-after"] == "1"
    assert "each process" in response.json()["detail"]
    assert (await ask(app, text("other"))).status_code == 200
    clock.now += 1
    assert [(await ask(app, text())).status_code for _ in range(3)] == [200, 200, 429]


async def test_tokens_share_the_limits_of_their_key():
    app = application(row(signing_key=SIGNING_KEY), limits={"per_second": 1, "burst": 2})
    assert [(await ask(app, one)).status_code for one in (text(), token(id="x"), token(id="y"))] == [200, 200, 429]


async def test_limits_hold_without_keys_too():
    app = application(limits={"per_second": 1})
    assert [(await ask(app)).status_code for _ in range(2)] == [200, 429]
    assert (await ask(app, path="/healthz")).status_code == 200


async def test_requests_at_a_time_are_limited():
    entered, leave = asyncio.Event(), asyncio.Event()

    class Slow(ShopDoor):
        async def search(self, question, within_s=None):
            entered.set()
            await leave.wait()
            return await super().search(question, within_s)

    app = application(row(limits={"concurrent": 1}), door=Slow())
    async with asyncio.TaskGroup() as group:
        first = group.create_task(ask(app, text()))
        await entered.wait()
        second = await ask(app, text())
        leave.set()
    assert (second.status_code, second.headers["retry-after"]) == (429, "1")
    assert first.result().status_code == 200
    assert (await ask(app, text())).status_code == 200


async def test_names_are_checked_against_rebinding():
    app = application(hosts=Hosts([], of_this_machine=True))
    for host in ("localhost", "localhost:9610", "127.0.0.1:9610", "[::1]:9610", "LOCALHOST"):
        assert (await ask(app, host=host)).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example:9610", "", "[::1", "a@localhost"):
        response = await ask(app, host=host)
        assert (response.status_code, name_of(response)) == (421, "host-refused")
    async with connect(app) as client:
        twice = [("host", "localhost"), ("host", "evil.example")]
        assert (await client.get(SEARCH, headers=twice)).status_code == 421


async def test_names_can_be_set():
    app = application(row(), hosts=Hosts(["search.example"], of_this_machine=False))
    assert (await ask(app, text(), host="Search.example:443")).status_code == 200
    assert (await ask(app, text(), host="localhost")).status_code == 421


async def test_who_asks_is_in_the_log_and_never_how():
    app = application(row(signing_key=SIGNING_KEY))
    with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as logged:
        await ask(app, text())
        await ask(app, token(id="user-7"))
    assert [line["caller"] for line in logged] == ["shop", "shop/user-7"]
    assert "sk1." not in str(logged)
    assert "st1." not in str(logged)


async def test_a_stranger_has_no_body_read():
    app = application(row())

    async def endless():
        while True:
            yield b"x" * 1024

    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        raise AssertionError("the body was read")

    scope = {
        "type": "http", "method": "POST", "path": "/search", "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    await app(scope, receive, send)
    assert msgspec.json.decode(sent[1]["body"])["type"] == "/problems/credentials-missing"
