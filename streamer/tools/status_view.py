"""How `status` looks on a terminal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streamer.settings import Settings
from streamer.tools.status import Status, Watcher

WATCH_SECONDS = 2.0


async def show(settings: Settings, *, watch: bool, as_json: bool) -> None:
    """Show the state once, or with `watch` again and again until cancelled."""
    watcher = Watcher(settings)
    try:
        await watcher.prepare()
        if as_json:
            await _print(watcher, watch=watch)
        elif watch:
            await _live(watcher)
        else:
            Console().print(view(await watcher.look()))
    finally:
        await watcher.close()


def view(status: Status) -> RenderableType:
    """Return the state as tables, with what could not be asked beneath (pure)."""
    return Group(*_parts(status))


async def _print(watcher: Watcher, *, watch: bool) -> None:
    while True:
        sys.stdout.write(msgspec.json.encode(await watcher.look()).decode() + "\n")
        sys.stdout.flush()
        if not watch:
            return
        await asyncio.sleep(WATCH_SECONDS)


async def _live(watcher: Watcher) -> None:
    with Live(Text("asking..."), auto_refresh=False) as live:
        while True:
            live.update(view(await watcher.look()), refresh=True)
            await asyncio.sleep(WATCH_SECONDS)


def _parts(status: Status) -> Iterator[RenderableType]:
    if status.lag:
        yield _lag_table(status)
    if "group" not in status.problems:
        yield _members_line(status)
    if status.instance is not None:
        yield _instance_line(status)
        for route, why in status.instance.get("reuse_off", {}).items():
            yield Text(f"route {route}: tokens of unchanged texts are not used again, {why}", style="yellow")
    if status.deployments:
        yield _deployment_table(status)
    for index in status.indices:
        yield Text(f"index {index.alias}: {index.documents:,} documents")
    for part, why in status.problems.items():
        yield Text(f"{part}: {why}", style="red")


def _lag_table(status: Status) -> Table:
    table = _table("topic", "partition", "committed", "end", "lag")
    for row in status.lag:
        committed = "none" if row.committed is None else f"{row.committed:,}"
        table.add_row(row.topic, str(row.partition), committed, f"{row.end:,}", f"{row.lag:,}")
    table.add_row("all", "", "", "", f"{sum(row.lag for row in status.lag):,}", style="bold")
    return table


def _members_line(status: Status) -> Text:
    members = [f"{member['client']} ({len(member['partitions'])} partitions)" for member in status.members]
    return Text(f"group {status.group}: {', '.join(members) or 'no members'}")


def _instance_line(status: Status) -> Text:
    found = status.instance or {}
    hold = f", HOLD: {found['hold']}" if found.get("hold") else ""
    return Text(
        f"streamer {found.get('instance', '')}: {found.get('state', 'unknown')}, {found.get('rate_per_s', 0):,.1f}/s, "
        f"waiting {found.get('waiting', 0):,}, in flight {found.get('in_flight', 0):,}, "
        f"rejections {found.get('rejections', 0):,}{hold}"
    )


def _deployment_table(status: Status) -> Table:
    table = _table("deployment", "state", "allocations", "pending", "rejected", "busy", "ms each")
    for row in status.deployments:
        busy = "" if row.busy is None else f"{row.busy:.0%}"
        each = "" if row.inference_ms is None else f"{row.inference_ms:,.0f}"
        numbers = (f"{row.allocations:,}", f"{row.pending:,}", f"{row.rejected:,}")
        table.add_row(row.id, row.state, *numbers, busy, each)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        words = column in {"topic", "deployment", "state"}
        table.add_column(column, justify="left" if words else "right")
    return table
