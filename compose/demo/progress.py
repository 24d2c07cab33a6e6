"""The live line of the demo: drawn again on a terminal, a new one every few seconds elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from streamer.tools.live import PLAIN_SECONDS, Numbers, line


class Progress:
    """A context manager in which `show` shows how far the streamer is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, status: dict[str, Any] | None, lag: int) -> None:
        """Show `status` (the streamer's own, None while it starts) and the records that are not committed."""
        if status is None:
            return
        text = line(numbers(status, lag))
        if self._live:
            self._live.update(Text(text, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif time.monotonic() - self._shown >= PLAIN_SECONDS:
            self._shown = time.monotonic()
            self._console.print(text, highlight=False, soft_wrap=True)


def numbers(status: dict[str, Any], lag: int) -> Numbers:
    """Return what the line shows; what is done above a gap is not committed yet, so `lag` counts it as left."""
    done = sum(status["results"].values()) - status["results"].get("handed_over", 0)
    under_way = status["waiting"] + status["in_flight"]
    return Numbers(
        done=done,
        left=under_way or lag,
        rate=status["rate_per_s"],
        in_flight=status["in_flight"],
        pending=sum(entry["pending"] or 0 for entry in status["deployments"].values()),
        rejections=status["rejections"],
        hold=status["hold"],
    )
