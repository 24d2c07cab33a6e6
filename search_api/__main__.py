"""`search-api`: start the service and its admin port, and stop both cleanly."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
import uvloop

from search_api import settings as settings_file
from search_api.app import Parts, create_app, create_meter
from search_api.elastic import ElasticDoor
from search_api.settings import Settings
from streamer import logs
from streamer.clock import SystemClock
from streamer.elastic import Elastic
from streamer.errors import SettingsError
from streamer.health import AdminServer, admin_app
from streamer.settings import ListenSettings

STOP_TIMEOUT_S = 10

log = logs.get("search_api")


class Server(uvicorn.Server):
    """Uvicorn, but a stop that was asked for ends with status 0 and lets the admin port close."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and Ctrl-C while serving, without raising them again afterwards."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def serve(settings: Settings) -> None:
    """Serve until a signal asks to stop. Raises SettingsError when a port is taken."""
    clock, meter = SystemClock(), create_meter()
    door = ElasticDoor(Elastic(settings.elasticsearch, connections(settings)), settings.search, clock, meter)
    parts = Parts(settings, door, clock, meter)
    listening = _listen(settings.listen)
    admin = AdminServer(admin_app(meter, parts.readiness), settings.admin)
    admin_address = await admin.start()
    address = "{}:{}".format(*listening.getsockname()[:2])
    log.info("listening", address=f"http://{address}/", admin=f"http://{admin_address}/metrics")
    await _server(create_app(parts)).serve(sockets=[listening])
    await admin.stop()
    log.info("stopped")


def connections(settings: Settings) -> int:
    """Return how many requests may be under way: searches and inferences at their limits, so that none waits unseen."""
    return settings.search.concurrency.most + settings.expansion.concurrent


def _server(app: object) -> Server:
    return Server(
        uvicorn.Config(
            app,  # type: ignore[arg-type]  # an ASGI application
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=STOP_TIMEOUT_S,
        )
    )


def _listen(listen: ListenSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        return socket.create_server((listen.host, listen.port), family=family, backlog=512)
    except OSError as error:
        where = f"{listen.host}:{listen.port}"
        raise SettingsError(f"cannot listen on {where}: {reason(error)}, choose another listen.port") from error


def reason(error: OSError) -> str:
    """Return what the system says, without the address that asyncio adds."""
    return os.strerror(error.errno or 0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="search-api", description="Serve searches over the live index.")
    parser.add_argument("--config", help=f"settings file (TOML); default: ${Settings.config_variable}")
    given = parser.parse_args(arguments)
    if given.config:
        os.environ[Settings.config_variable] = given.config
    try:
        settings = settings_file.load()
        logs.configure(settings.log.level, settings.log.format)
        uvloop.run(serve(settings))
    except SettingsError as error:
        sys.exit(f"search-api: {error}")


if __name__ == "__main__":
    main()
