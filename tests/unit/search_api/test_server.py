"""The server on a socket: slow clients, long heads, too many connections, and what is no proper request."""

import asyncio
from contextlib import asynccontextmanager, closing
from socket import create_server

import orjson
import pytest

from search_api.access.hosts import Hosts
from search_api.access.settings import HttpSettings
from search_api.server import server
from tests.unit.search_api.access.shops import ShopDoor, application, bearer, row, text

OK = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"
SEARCH = b"/search?q=thing&mode=lexical"
AUTHORIZATION = bearer(text())["authorization"].encode()


@asynccontextmanager
async def serving(app, **http):
    with closing(create_server(("127.0.0.1", 0))) as listening:
        made = server(app, HttpSettings(**http))
        task = asyncio.create_task(made.serve(sockets=[listening]))
        try:
            yield listening.getsockname()[1]
        finally:
            made.should_exit = True
            await task


async def exchange(port, *pieces):
    """Send `pieces`, and return all that comes until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def status(answer):
    return int(answer.split(b" ", 2)[1]) if answer else None


def problem(answer):
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"content-length: %d" % len(body) in head
    return orjson.loads(body)["type"].removeprefix("/problems/")


def request(target=SEARCH, *headers, method=b"GET", body=b""):
    lines = [b"%s %s HTTP/1.1" % (method, target), b"host: localhost", b"connection: close", *headers]
    return b"\r\n".join([*lines, b"", body])


@pytest.fixture
def door():
    return ShopDoor()


@pytest.fixture
async def port(door):
    bounds = {"head_timeout_s": 60, "body_timeout_s": 0.2}
    app = application(row(), door=door, hosts=Hosts(["localhost"], of_this_machine=True), http=bounds)
    async with serving(app, **bounds) as listening:
        yield listening


async def test_a_proper_request_is_answered(port):
    answer = await exchange(port, request(SEARCH, b"authorization: " + AUTHORIZATION))
    assert status(answer) == 200
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize("first", [b"", b"G", b"GET /healthz HTTP/1.1\r\nhost: loc", OK[:-2]])
async def test_a_slow_head_is_given_up_while_others_are_served(first):
    async with serving(application(), head_timeout_s=0.3) as port:
        slow = [asyncio.create_task(exchange(port, first)) for _ in range(20)]
        assert status(await exchange(port, request(b"/healthz"))) == 200
        for answer in await asyncio.gather(*slow):
            assert (status(answer), problem(answer)) == (408, "head-too-slow")


async def test_a_head_that_comes_letter_by_letter_is_given_up():
    async def dribble(writer):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(application(), head_timeout_s=0.3) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(OK[:-2] + b"x-slow: ")
        dribbling = asyncio.create_task(dribble(writer))
        answer = await asyncio.wait_for(reader.read(), 20)
        dribbling.cancel()
        writer.close()
    assert status(answer) == 408


async def test_the_next_head_of_a_connection_has_its_own_time():
    async with serving(application(), head_timeout_s=0.3) as port:
        answer = await exchange(port, OK, OK, b"GET /")
    assert [int(part[:4]) for part in answer.split(b"HTTP/1.1")[1:]] == [200, 200, 408]


async def test_a_slow_body_is_given_up(port):
    head = request(b"/search", b"authorization: " + AUTHORIZATION, b"content-length: 100", method=b"POST")
    answer = await exchange(port, head + b'{"query"')
    assert (status(answer), problem(answer)) == (408, "body-too-slow")


async def test_a_client_that_does_not_read_is_left():
    left = asyncio.Event()

    async def gone(receive):
        while (await receive())["type"] != "http.disconnect":
            pass
        left.set()

    async def endless(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async with asyncio.TaskGroup() as group:
            group.create_task(gone(receive))
            while not left.is_set():
                await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                await asyncio.sleep(0)

    async with serving(with_lifespan(endless), write_timeout_s=0.3) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1)
        writer.write(OK)
        await asyncio.wait_for(left.wait(), 20)
        writer.transport.abort()


def with_lifespan(app):
    async def whole(scope, receive, send):
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for stage in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{stage}.complete"})

    return whole


@pytest.mark.parametrize(
    ("pieces", "found", "name"),
    [
        ([request(b"/healthz?" + b"x" * 9_000)], 414, "url-too-long"),
        ([b"GET /healthz?" + b"x" * 20_000], 414, "url-too-long"),
        ([request(b"/healthz", b"x-long: " + b"x" * 17_000)], 431, "head-too-long"),
        ([request(b"/healthz", *(b"x-%d: y" % number for number in range(2_000)))], 431, "head-too-long"),
        ([OK[:-2] + b"x-long: ", *[b"x" * 5_000] * 4], 431, "head-too-long"),
        ([OK[:-2] + b"x" * 17_000], 431, "head-too-long"),
    ],
)
async def test_long_heads_are_refused(port, pieces, found, name):
    answer = await exchange(port, *pieces)
    assert (status(answer), problem(answer)) == (found, name)


async def test_one_connection_too_many_is_told_so():
    async with serving(application(), connections=2) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        answer = await exchange(port, b"")
        assert (status(answer), problem(answer)) == (503, "overloaded")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /healthz HTTP/1.1\nhost: localhost\n\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n x: folded\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost : localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-request-id: a\rb\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx-request-id: a\x00b\r\n\r\n",
        b"GET /health\x00z HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /healthz\r\nx: y HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /search HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /search HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /search HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        b"POST /search HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_proper_request_is_not_guessed_at(port, door, raw):
    answer = await exchange(port, raw)
    assert status(answer) in {400, 401}
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer
    assert door.searches == []


@pytest.mark.parametrize(
    "given", [b"a%0d%0aset-cookie:%20x", b"a b", b"a" * 65, b"<script>", b"\xe9", b"a;b", b"../x", b""]
)
async def test_a_request_id_brings_nothing_into_the_answer(port, given):
    answer = await exchange(port, request(b"/healthz", b"x-request-id: " + given))
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert status(answer) == 200
    assert b"set-cookie" not in head
    (made,) = [line.removeprefix(b"x-request-id: ") for line in head.split(b"\r\n") if line.startswith(b"x-request-id")]
    assert len(made) == 32


@pytest.mark.parametrize(
    "target",
    [
        b"/web/../search?q=thing&mode=lexical",
        b"/web/%2e%2e/search?q=thing&mode=lexical",
        b"/web/..%2fsearch?q=thing&mode=lexical",
        b"//search?q=thing&mode=lexical",
        b"/./search?q=thing&mode=lexical",
        b"/search/?q=thing&mode=lexical",
        b"/search%2f?q=thing&mode=lexical",
        b"/%2fsearch?q=thing&mode=lexical",
        b"/search;x=/healthz?q=thing&mode=lexical",
        b"/healthz/../search?q=thing&mode=lexical",
        b"/search%00?q=thing&mode=lexical",
        b"/search%0d%0a?q=thing&mode=lexical",
        b"http://localhost/search?q=thing&mode=lexical",
        b"http://evil.example/search?q=thing&mode=lexical",
        b"/search?q=thing&mode=lexical#/healthz",
        b"/%73earch?q=thing&mode=lexical",
        SEARCH,
    ],
)
async def test_no_path_leads_around_the_gate(port, door, target):
    answer = await exchange(port, request(target))
    assert status(answer) in {400, 401, 404, 421}
    assert door.searches == []
    assert b"location:" not in answer.lower()


async def test_another_name_is_refused(port):
    answer = await exchange(port, b"GET /healthz HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n")
    assert (status(answer), problem(answer)) == (421, "host-refused")
    assert status(await exchange(port, b"GET /healthz HTTP/1.0\r\n\r\n")) == 421
