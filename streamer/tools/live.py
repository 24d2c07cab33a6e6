"""The live line of `streamer run --progress`: drawn again on a terminal, a new one every few seconds elsewhere."""

from __future__ import annotations

import msgspec
from rich.console import Console
from rich.live import Live
from rich.text import Text

from streamer.clock import Clock
from streamer.delivery.report import Report

TERMINAL_SECONDS = 0.25
PLAIN_SECONDS = 5.0


class Numbers(msgspec.Struct, frozen=True):
    """What the line shows: documents done and left, documents a second, and what is under way or refused."""

    done: int
    left: int
    rate: float
    in_flight: int
    pending: int
    rejections: int
    hold: str | None


async def show(report: Report, clock: Clock) -> None:
    """Show progress on standard error until cancelled."""
    console = Console(stderr=True)
    if not console.is_terminal:
        while True:
            await clock.sleep(PLAIN_SECONDS)
            console.print(line(numbers_of(report)), soft_wrap=True)
    with Live(Text(line(numbers_of(report))), console=console, refresh_per_second=1 / TERMINAL_SECONDS) as live:
        while True:
            await clock.sleep(TERMINAL_SECONDS)
            live.update(Text(line(numbers_of(report)), no_wrap=True, overflow="ellipsis"))


def numbers_of(report: Report) -> Numbers:
    """Return what the line shows of a running streamer."""
    return Numbers(
        done=report.done,
        left=report.untaken + report.waiting + report.in_flight,
        rate=report.rate(),
        in_flight=report.in_flight,
        pending=sum(entry["pending"] or 0 for entry in report.deployments().values()),
        rejections=report.rejections,
        hold=report.hold,
    )


def line(numbers: Numbers) -> str:
    """Return the line: documents, rate, in flight, pending at the deployment, rejections, time to go."""
    parts = [
        f"{numbers.done:,} of {numbers.done + numbers.left:,} documents",
        f"{numbers.rate:,.1f}/s",
        f"in flight {numbers.in_flight:,}",
        f"pending at the deployment {numbers.pending:,}",
        f"rejections {numbers.rejections:,}",
        f"ETA {eta(numbers.left, numbers.rate)}",
    ]
    if numbers.hold:
        parts.append(f"HOLD: {numbers.hold}")
    return "  ".join(parts)


def eta(left: int, rate: float) -> str:
    """Return the time that `left` documents take at `rate` a second, as m:ss."""
    if not left:
        return "done"
    if rate <= 0:
        return "unknown"
    minutes, seconds = divmod(round(left / rate), 60)
    return f"{minutes}:{seconds:02}"
