"""Progress of long work on standard error: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

LINE_SECONDS = 2.0
BAR_SECONDS = 0.1


class Update(Protocol):
    """Takes where the work is."""

    def __call__(self, position: int, rows: int) -> None:
        """`position` is in bytes, out of the total; `rows` are done."""


@contextmanager
def shown(title: str, total: int) -> Iterator[Update]:
    """Show progress through `total` bytes while the block runs."""
    if sys.stderr.isatty():
        with _bar(title, total) as update:
            yield update
    else:
        yield _Lines(title, total)


def describe(title: str, *, part: float, rows: int, seconds: float) -> str:
    """Return one line: `part` of the work (0 to 1) and `rows` are done after `seconds` (pure)."""
    rate = rows / seconds if seconds else 0.0
    left = f", {seconds / part - seconds:,.0f} s left" if part else ""
    return f"{title}: {part:.0%}, {rows:,} rows, {rate:,.0f} rows/s{left}"


class _Lines:
    def __init__(self, title: str, total: int) -> None:
        self._title, self._total = title, total
        self._began = self._told = time.monotonic()

    def __call__(self, position: int, rows: int) -> None:
        now = time.monotonic()
        if now - self._told >= LINE_SECONDS:
            self._told = now
            part = min(1.0, position / self._total) if self._total else 1.0
            sys.stderr.write(describe(self._title, part=part, rows=rows, seconds=now - self._began) + "\n")
            sys.stderr.flush()


@contextmanager
def _bar(title: str, total: int) -> Iterator[Update]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[rate]:,.0f} rows/s"),
        TimeRemainingColumn(),
    )
    began = told = time.monotonic()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=total, rows=0, rate=0.0)

        def update(position: int, rows: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told >= BAR_SECONDS or position >= total:
                told = now
                progress.update(task, completed=position, rows=rows, rate=rows / max(now - began, BAR_SECONDS))

        yield update
