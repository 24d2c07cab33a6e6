"""The commands `setup` and `up` of the local stack."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from compose.local import build, stack
from compose.local.errors import LocalStackError
from compose.local.stack import Stack

WATCH_S = 0.5
PORT_HELP = "0 = a free one"

app = typer.Typer(
    help="Kafka and Elasticsearch with an ML node on this machine, without containers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def setup() -> None:
    """Find a JDK and Maven, resolve the pinned jars, compile the local ML node. Quick when nothing has changed."""
    build.setup(lambda line: print(line, flush=True))


@app.command()
def up(
    kafka_port: Annotated[
        int, typer.Option(envvar="LOCAL_KAFKA_PORT", min=0, max=65535, help=PORT_HELP)
    ] = stack.KAFKA_PORT,
    elasticsearch_port: Annotated[
        int, typer.Option(envvar="LOCAL_ELASTICSEARCH_PORT", min=0, max=65535, help=PORT_HELP)
    ] = stack.ELASTICSEARCH_PORT,
    data: Annotated[
        Path, typer.Option(envvar="LOCAL_DATA", help="where topics, indices and deployments live")
    ] = stack.DEFAULT_DATA,
) -> None:
    """Run Kafka and Elasticsearch in the foreground until Ctrl-C or SIGTERM; a second Ctrl-C ends them by force."""
    # SIGINT too: a shell without job control starts what it puts in the background with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)
    try:
        with Stack(data, kafka_port=kafka_port, elasticsearch_port=elasticsearch_port) as running:
            print(f"kafka          {running.bootstrap_servers}")
            print(f"elasticsearch  {running.elasticsearch_url}")
            print(f"data           {running.data}", flush=True)
            watch(running)
    except KeyboardInterrupt:
        print("stopped", flush=True)


def watch(running: Stack) -> None:
    """Returns never; raises PartFailed when a part ends by itself."""
    while True:
        for part in running.parts:
            if not part.running:
                raise part.failure("ended by itself")
        time.sleep(WATCH_S)


def main() -> None:
    """Errors of the stack are messages, not traces."""
    try:
        app(prog_name="python -m compose.local")
    except LocalStackError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
