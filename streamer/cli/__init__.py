"""The command line: each command imports what it needs, so that `--help` is quick."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

import streamer
from streamer.cli import dlq
from streamer.cli.common import AsJson, Config, print_error, print_json, print_line, print_lines, read_settings, use
from streamer.errors import InputError, SettingsError, StreamerError

EXIT_WRONG_INPUT = 2
EXIT_FAILED = 1

app = typer.Typer(
    help="Index Kafka topics into Elasticsearch through a learned sparse encoder, at the encoder's pace.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(dlq.app, name="dlq")


def main() -> None:
    """Run the command line: an error of ours is one message on standard error, 2 for wrong input and 1 for the rest."""
    try:
        app(prog_name="streamer")
    except StreamerError as error:
        typer.echo(f"streamer: {error}", err=True)
        sys.exit(EXIT_WRONG_INPUT if isinstance(error, SettingsError | InputError) else EXIT_FAILED)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(streamer.__version__)
        raise typer.Exit


@app.callback()
def options(
    config: Config = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Take the options that stand before the command."""
    del version
    use(config)


@app.command()
def setup(
    config: Config = None,
    timeout: Annotated[float, typer.Option(min=0, help="Seconds to wait for each deployment.")] = 600.0,
    as_json: AsJson = False,
) -> None:
    """Create topics, deployments, state index, pipelines and indices; show what differs and change nothing of it."""
    settings = read_settings(config)
    from streamer.setup.step import Step
    from streamer.setup.steps import setup as set_up

    steps: list[Step] = []
    asyncio.run(set_up(settings, steps.append if as_json else print_line, timeout))
    if as_json:
        print_json([step for step in steps if step.state != "waiting"])


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="csv, tsv or jsonl, each plain or gzip.")],
    *,
    topic: Annotated[str, typer.Option(help="Topic to load into; it is created if it is missing.")],
    key: Annotated[str | None, typer.Option(metavar="FIELD", help="Field that becomes the record's key.")] = None,
    partitions: Annotated[int | None, typer.Option(min=1, help="Partitions of a new topic (4).")] = None,
    form: Annotated[
        str | None, typer.Option("--format", metavar="csv|tsv|jsonl", help="Format; default: by the file's name.")
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,...", help="Names of the columns of a file without a header line.")
    ] = None,
    rate: Annotated[str | None, typer.Option(metavar="N/s", help="Most rows in a second (also /min, /h).")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Load the first rows only.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Load although the topic holds the file already.")] = False,
    skip_broken: Annotated[bool, typer.Option("--skip-broken", help="Leave out rows that cannot be read.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make each row of a file a record of a topic, once: a second load of the same file does nothing."""
    settings = read_settings(config)
    from streamer.tools.load import Load
    from streamer.tools.load import load as load_file
    from streamer.tools.pace import per_second
    from streamer.tools.rows import layout_of

    wanted = Load(
        file=file,
        topic=topic,
        layout=layout_of(file, form, columns),
        key=key,
        partitions=partitions,
        rate=per_second(rate) if rate else None,
        limit=limit,
        again=again,
        skip_broken=skip_broken,
    )
    report = load_file(settings, wanted)
    print_json(report) if as_json else print_line(report)


@app.command()
def run(
    config: Config = None,
    progress: Annotated[bool, typer.Option("--progress", help="Show a live line.")] = False,
) -> None:
    """Index what the routes say until SIGTERM or Ctrl-C, then finish what is in flight and commit it."""
    settings = read_settings(config)
    import uvloop

    from streamer.pipeline import run as run_pipeline

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_pipeline(settings, progress=progress))


@app.command()
def repartition(
    topic: Annotated[str, typer.Argument(help="A topic that has got partitions.")],
    *,
    producers_know_after: Annotated[
        float,
        typer.Option(
            min=0, help="Seconds after which every producer knows of them (its metadata.max.age.ms), since first seen."
        ),
    ] = 300.0,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Go on with a topic that has got partitions: drain the old ones, then give the new ones an epoch of their own.

    Stop every instance first. It can be run again after any end.
    """
    settings = read_settings(config)
    import uvloop

    from streamer.pipeline import drain
    from streamer.tools.repartition import repartition as go_on

    say = print_error if as_json else print_line
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(go_on(settings, topic, producers_know_after, drain, say))
    print_json(report) if as_json else print_line(report)


@app.command()
def status(
    config: Config = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again every two seconds, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show lag, group, rates, deployments and indices; a part that cannot be reached is shown as such."""
    settings = read_settings(config)
    from streamer.tools.status_view import show

    asyncio.run(show(settings, watch=watch, as_json=as_json))


@app.command()
def ops(
    config: Config = None,
    windows: Annotated[str, typer.Option(metavar="S,S", help="Sizes of the windows in seconds.")] = "10,60",
) -> None:
    """Serve outcomes in tumbling windows as JSON on the ops port; optional, nothing depends on it."""
    settings = read_settings(config)
    from streamer.ops.windows import window_sizes

    sizes = window_sizes(windows)
    try:
        from streamer.ops.server import serve
    except ModuleNotFoundError as error:
        raise SettingsError(f"`ops` needs {error.name}: install streamer with the extra `ops`") from error
    asyncio.run(serve(settings, sizes))


@app.command()
def config(
    config: Config = None,
    defaults: Annotated[
        bool, typer.Option("--defaults", help="All settings with default and meaning, as a table.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print the settings that are in effect, secrets masked."""
    from streamer.settings import Settings
    from streamer.tools.config import effective, lines, markdown, rows

    if defaults:
        print_json(list(rows(Settings))) if as_json else typer.echo(markdown(rows(Settings)))
        return
    values = effective(read_settings(config))
    print_json(values) if as_json else print_lines(lines(values))
