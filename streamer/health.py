"""The admin port of a process: `/metrics`, `/livez`, `/readyz` and `/status`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import orjson
from aiohttp import web

from streamer.errors import SettingsError
from streamer.metrics import Meter
from streamer.settings import ListenSettings


class Subject(Protocol):
    """What a process can say about itself."""

    def alive(self) -> bool:
        """Return whether the process makes progress or waits for a reason; false asks for a restart."""

    def ready(self) -> bool:
        """Return whether the process does its work now."""

    def status(self) -> Mapping[str, Any]:
        """Return what a person wants to see, as JSON values."""


def _probe(state: Callable[[], bool]) -> Callable[[web.Request], Any]:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="ok\n") if state() else web.Response(status=503, text="not now\n")

    return answer


def admin_app(meter: Meter, subject: Subject) -> web.Application:
    """Return the admin application of a process."""

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=meter.exposition(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def status(_: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(subject.status()), content_type="application/json")

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/livez", _probe(subject.alive))
    app.router.add_get("/readyz", _probe(subject.ready))
    app.router.add_get("/status", status)
    return app


class AdminServer:
    """Serves an application while the process runs."""

    def __init__(self, app: web.Application, listen: ListenSettings) -> None:
        """Prepare; nothing listens yet."""
        self._runner = web.AppRunner(app, access_log=None)
        self._listen = listen

    async def start(self) -> str:
        """Listen, and return `host:port`. Raises SettingsError when the port cannot be had."""
        wanted = self._listen
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, wanted.host, wanted.port).start()
        except OSError as error:
            await self.stop()
            # The system's words alone: asyncio adds the address once more.
            reason = os.strerror(error.errno or 0).lower()
            place = f"{wanted.host}:{wanted.port}"
            raise SettingsError(f"cannot listen on {place}: {reason}, choose another port") from error
        host, port = self._runner.addresses[0][:2]
        return f"{host}:{port}"

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()
