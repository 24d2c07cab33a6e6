"""`streamer dlq`: look at dead letters, send them back, or be done with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli.common import AsJson, Config, print_json, print_line, print_lines, read_settings

if TYPE_CHECKING:
    from streamer.tools.letters import Wanted

app = typer.Typer(
    help="Look at records that could not be indexed, send them back, or be done with them.", no_args_is_help=True
)

Reason = Annotated[str | None, typer.Option(metavar="WORD", help="Only those with this reason.")]
Fingerprint = Annotated[str | None, typer.Option(metavar="HEX", help="Only those with this fault; `list` shows it.")]
Route = Annotated[str | None, typer.Option(metavar="NAME", help="Only those of this route.")]
Topic = Annotated[str | None, typer.Option(metavar="NAME", help="Only those whose record was in this topic.")]
Since = Annotated[str | None, typer.Option(metavar="TIME", help="Written then or later: an ISO time, or 2h, 3d ago.")]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Written before then.")]
All = Annotated[bool, typer.Option("--all", help="All of them: without a filter this must be said.")]
Limit = Annotated[int | None, typer.Option(min=1, help="The first so many of them only.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@app.command("list")
def list_(
    *,
    reason: Reason = None,
    fingerprint: Fingerprint = None,
    route: Route = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    done: Annotated[bool, typer.Option("--done", help="Also those that were sent back or discarded.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show dead letters by fault: how many, from when to when, and where one of them is."""
    settings = read_settings(config)
    from streamer.tools.dlq import listing

    wanted = _wanted(reason, fingerprint, route, topic, since=since, until=until)
    found = asyncio.run(listing(settings, wanted, done=done))
    print_json(found) if as_json else print_lines(found.lines())


@app.command()
def show(
    place: Annotated[
        str, typer.Argument(metavar="TOPIC-PARTITION@OFFSET", help="The dead letter, as `list` names it.")
    ],
    config: Config = None,
) -> None:
    """Show one dead letter whole, as JSON; what is text is shown as text."""
    settings = read_settings(config)
    from streamer.tools.dlq import one

    print_line(asyncio.run(one(settings, place)))


@app.command()
def redrive(
    *,
    reason: Reason = None,
    fingerprint: Fingerprint = None,
    route: Route = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    rate: Annotated[str | None, typer.Option(metavar="N/s", help="Most in a second (also /min, /h).")] = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back to be indexed with their first version: nothing newer is overwritten."""
    settings = read_settings(config)
    from streamer.tools import dlq
    from streamer.tools.pace import per_second

    wanted = _wanted(reason, fingerprint, route, topic, since=since, until=until).or_all(everything)
    plan = dlq.Plan(limit, per_second(rate) if rate else None, dry_run)
    report = asyncio.run(dlq.redrive(settings, wanted, plan))
    print_json(report) if as_json else print_line(report)


@app.command()
def discard(
    *,
    reason: Reason = None,
    fingerprint: Fingerprint = None,
    route: Route = None,
    topic: Topic = None,
    since: Since = None,
    until: Until = None,
    everything: All = False,
    limit: Limit = None,
    dry_run: DryRun = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Mark dead letters as done: `list` leaves them out; they stay in their topic until its retention ends."""
    settings = read_settings(config)
    from streamer.tools import dlq

    wanted = _wanted(reason, fingerprint, route, topic, since=since, until=until).or_all(everything)
    report = asyncio.run(dlq.discard(settings, wanted, dlq.Plan(limit, None, dry_run)))
    print_json(report) if as_json else print_line(report)


def _wanted(
    reason: str | None,
    fingerprint: str | None,
    route: str | None,
    topic: str | None,
    *,
    since: str | None,
    until: str | None,
) -> Wanted:
    from streamer.clock import SystemClock
    from streamer.tools.letters import Wanted, moment

    now = SystemClock().now_ms()
    times = [moment(text, now) if text else None for text in (since, until)]
    return Wanted(reason, fingerprint, route, topic, *times)
