"""`search-api`: start the service and its admin port, and stop both cleanly."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from search_api import settings as settings_file
from search_api.access import command, hosts
from search_api.app import Parts, create_app, create_meter
from search_api.elastic import ElasticDoor
from search_api.freshness.index import ElasticIndex
from search_api.freshness.service import Freshness, FreshnessService, NoFreshness
from search_api.kafka import KafkaDoor
from search_api.server import server
from search_api.settings import Settings
from streamer import logs
from streamer.clock import Clock, SystemClock
from streamer.elastic import Elastic
from streamer.errors import SettingsError, StreamerError
from streamer.health import AdminServer, admin_app
from streamer.metrics import Meter
from streamer.settings import ListenSettings

cli = typer.Typer(
    pretty_exceptions_enable=False, add_completion=False, context_settings={"help_option_names": ["-h", "--help"]}
)
cli.add_typer(command.app, name="keys")

log = logs.get("search_api")


async def serve(settings: Settings) -> None:
    """Serve until a signal asks to stop. Raises SettingsError when a port is taken."""
    clock, meter = SystemClock(), create_meter()
    elastic = Elastic(settings.elasticsearch, connections(settings))
    door = ElasticDoor(elastic, settings.search, clock, meter)
    parts = Parts(settings, door, clock, meter, freshness(settings, elastic, clock, meter))
    listening = _listen(settings.listen)
    admin = AdminServer(admin_app(meter, parts.readiness), settings.admin)
    admin_address = await admin.start()
    address = "{}:{}".format(*listening.getsockname()[:2])
    log.info("listening", address=f"http://{address}/", admin=f"http://{admin_address}/metrics")
    await server(create_app(parts, hosts.load(settings.access)), settings.http).serve(sockets=[listening])
    await admin.stop()
    log.info("stopped")


def freshness(settings: Settings, elastic: Elastic, clock: Clock, meter: Meter) -> Freshness:
    """Return what knows how far the indices have come."""
    if settings.kafka is None:
        return NoFreshness()
    sources = {index.name: (index.alias, index.topics) for index in settings.indices}
    kafka = KafkaDoor(settings.kafka, settings.freshness.progress, clock)
    index = ElasticIndex(elastic, meter)
    return FreshnessService(settings.freshness, sources, kafka, index, clock, meter=meter)


def connections(settings: Settings) -> int:
    """Return how many requests may be under way: searches and inferences at their limits, so that none waits unseen."""
    return settings.search.concurrency.most + settings.expansion.concurrent


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


@cli.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML); also SEARCH_API_CONFIG."),
    ] = None,
) -> None:
    """Serve searches over the live index, until SIGTERM or Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    if config is not None:
        os.environ[Settings.config_variable] = str(config)
    settings = settings_file.load()
    logs.configure(settings.log.level, settings.log.format)
    uvloop.run(serve(settings))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: an error of ours is one message on standard error."""
    try:
        cli(args=arguments, prog_name="search-api")
    except StreamerError as error:
        sys.exit(f"search-api: {error}")


if __name__ == "__main__":
    main()
