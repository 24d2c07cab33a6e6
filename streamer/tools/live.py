"""The live line of `streamer run --progress`: drawn again on a terminal, a new one every few seconds elsewhere."""

from __future__ import annotations

from rich.console import Console
from rich.live import Live
from rich.text import Text

from streamer.clock import Clock
from streamer.delivery.report import Report

TERMINAL_SECONDS = 0.25
PLAIN_SECONDS = 5.0


async def show(report: Report, clock: Clock) -> None:
    """Show progress on standard error until cancelled."""
    console = Console(stderr=True)
    if not console.is_terminal:
        while True:
            await clock.sleep(PLAIN_SECONDS)
            console.print(line(report), soft_wrap=True)
    with Live(Text(line(report)), console=console, refresh_per_second=1 / TERMINAL_SECONDS) as live:
        while True:
            await clock.sleep(TERMINAL_SECONDS)
            live.update(Text(line(report), no_wrap=True, overflow="ellipsis"))


def line(report: Report) -> str:
    """Return the line: documents, rate, in flight, pending at the deployment, rejections, time to go."""
    left = report.untaken + report.waiting + report.in_flight
    rate = report.rate()
    pending = sum(entry["pending"] or 0 for entry in report.deployments().values())
    parts = [
        f"{report.done:,} of {report.done + left:,} documents",
        f"{rate:,.1f}/s",
        f"in flight {report.in_flight:,}",
        f"pending at the deployment {pending:,}",
        f"rejections {report.rejections:,}",
        f"ETA {eta(left, rate)}",
    ]
    if report.hold:
        parts.append(f"HOLD: {report.hold}")
    return "  ".join(parts)


def eta(left: int, rate: float) -> str:
    """Return the time that `left` documents take at `rate` a second, as m:ss."""
    if not left:
        return "done"
    if rate <= 0:
        return "unknown"
    minutes, seconds = divmod(round(left / rate), 60)
    return f"{minutes}:{seconds:02}"
