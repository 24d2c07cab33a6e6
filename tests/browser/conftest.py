"""The search service in a thread, over the small fake of its door, and a browser before it."""

import asyncio
import shutil
import socket
import threading
import time

import pytest
import uvicorn
from playwright.sync_api import sync_playwright

from streamer.clock import SystemClock
from tests.unit.search_api.fakes import FakeDoor, app

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DEADLINE_S = 30


class Service:
    """The service on a free port; its door can be told to fail."""

    def __init__(self, **settings):
        self.door = FakeDoor()
        self.socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app(self.door, SystemClock(), **settings), log_config=None, access_log=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self._run)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def _run(self):
        asyncio.run(self.server.serve(sockets=[self.socket]))

    def __enter__(self):
        self.thread.start()
        deadline = time.monotonic() + DEADLINE_S
        while not self.server.started:
            assert time.monotonic() < deadline, "the service did not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(DEADLINE_S)
        self.socket.close()


@pytest.fixture
def service(request):
    with Service(**getattr(request, "param", {})) as running:
        yield running


# Playwright keeps an event loop running in this thread: it ends with its module, other tests have loops of their own.
@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, service):
    """A page of the service; errors on its console fail the test, other than answers that the test asks to fail."""
    context = chromium.new_context(base_url=service.url, viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.problems = []
    page.on("console", lambda message: page.problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.foreign = []
    page.on("request", lambda asked: None if asked.url.startswith(service.url) else page.foreign.append(asked.url))
    yield page
    context.close()
    assert page.problems == []
    assert page.foreign == []
