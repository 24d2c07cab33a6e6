"""The process of `ops`: Faust and the port that serves its sums, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import tempfile

import msgspec
from aiohttp import web

from streamer import logs
from streamer.errors import KafkaError, SetupError
from streamer.health import AdminServer, admin_app
from streamer.kafka.admin import Admin
from streamer.ops.app import Ops
from streamer.settings import Settings

log = logs.get("ops")


async def serve(settings: Settings, sizes: tuple[int, ...]) -> None:
    """Sum outcomes in windows of `sizes` seconds and serve them on the ops port.

    Raises SetupError without the outcomes topic, SettingsError when the port is taken, KafkaError.
    """
    partitions = await asyncio.to_thread(_partitions, settings)
    with tempfile.TemporaryDirectory(prefix="streamer-ops-") as folder:
        await _serve(Ops(settings, sizes, partitions, folder), settings)


async def _serve(ops: Ops, settings: Settings) -> None:
    server = AdminServer(with_outcomes(admin_app(ops.meter, ops), ops), settings.ops)
    stopped = _on_signals()
    try:
        address = await server.start()
        log.info("ops serves", address=address, windows_s=list(ops.sizes))
        await _run(ops, stopped)
    finally:
        await server.stop()


def with_outcomes(app: web.Application, ops: Ops) -> web.Application:
    """Add `GET /outcomes?window=SECONDS` to `app`; without a window it is the smallest."""

    async def outcomes(request: web.Request) -> web.Response:
        asked = request.query.get("window", str(ops.sizes[0]))
        if not asked.isdigit() or int(asked) not in ops.sizes:
            body = {"error": f"window is one of {', '.join(map(str, ops.sizes))} seconds"}
            return web.json_response(body, status=400)
        return web.Response(body=msgspec.json.encode(ops.outcomes(int(asked))), content_type="application/json")

    app.router.add_get("/outcomes", outcomes)
    return app


async def _run(ops: Ops, stopped: asyncio.Event) -> None:
    async with ops.app:
        ended = asyncio.create_task(ops.app.wait_until_stopped())
        asked = asyncio.create_task(stopped.wait())
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not ended.done():
            ended.cancel()
            return
    # It logs a failure of its own, and does not always hand the reason on.
    reason = ended.exception() or ops.app.crash_reason
    raise KafkaError(f"Faust stopped by itself: {reason or 'its last error is logged above'}") from reason


def _on_signals() -> asyncio.Event:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _partitions(settings: Settings) -> int:
    name = settings.topics.outcomes
    found = Admin(settings.kafka).topics([name])
    if name not in found:
        raise SetupError(f"the topic {name!r} is missing, run `streamer setup`")
    return found[name].partitions
