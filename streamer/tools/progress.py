"""Progress of long work on standard error: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

LINE_SECONDS = 2.0
BAR_SECONDS = 0.1


class Update(Protocol):
    """Takes where the work is."""

    def __call__(self, position: int, rows: int) -> None:
        """`position` is in bytes, or what else the total counts; `rows` are done."""


@contextmanager
def shown(title: str, total: int, unit: str = "rows") -> Iterator[Update]:
    """Show progress through `total` bytes, or whatever the positions count, while the block runs."""
    if sys.stderr.isatty():
        with _bar(title, total, unit) as update:
            yield update
    else:
        yield _Lines(title, total, unit)


def describe(title: str, *, part: float, rows: int, seconds: float, unit: str = "rows") -> str:
    """Return one line: `part` of the work (0 to 1) and `rows` are done after `seconds` (pure)."""
    rate = rows / seconds if seconds else 0.0
    left = f", {seconds / part - seconds:,.0f} s left" if part else ""
    return f"{title}: {part:.0%}, {rows:,} {unit}, {rate:,.0f} {unit}/s{left}"


class _Lines:
    def __init__(self, title: str, total: int, unit: str) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._began = self._told = time.monotonic()

    def __call__(self, position: int, rows: int) -> None:
        now = time.monotonic()
        if now - self._told >= LINE_SECONDS:
            self._told = now
            part = min(1.0, position / self._total) if self._total else 1.0
            seconds = now - self._began
            sys.stderr.write(describe(self._title, part=part, rows=rows, seconds=seconds, unit=self._unit) + "\n")
            sys.stderr.flush()


@contextmanager
def _bar(title: str, total: int, unit: str) -> Iterator[Update]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn() if unit == "rows" else MofNCompleteColumn(),
        TextColumn(f"{{task.fields[rows]:,}} {unit}, {{task.fields[rate]:,.0f}} {unit}/s"),
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
