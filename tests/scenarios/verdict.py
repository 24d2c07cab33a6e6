"""Whether a play came out as its scenario expects, and how a table of plays looks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tests.scenarios.case import Case
from tests.scenarios.world import Result

BELOW_BEST_FIXED = 0.03
NOTHING = "-"


class Column(NamedTuple):
    """A figure of a play, what its column is called, and how it is written."""

    figure: str
    head: str
    form: str


COLUMNS = (
    Column("busy", "busy", ".1%"),
    Column("goodput", "goodput", ".1%"),
    Column("rejections", "429/1k", ",.1f"),
    Column("ingest_p50_s", "wait p50 s", ".2f"),
    Column("ingest_p99_s", "p99 s", ".2f"),
    Column("search_p50_ms", "search p50 ms", ".0f"),
    Column("search_p99_ms", "p99 ms", ".0f"),
    Column("searches_refused", "refused", ",.0f"),
    Column("freshness_p99_s", "fresh p99 s", ".2f"),
    Column("recovery_s", "back s", ".1f"),
    Column("lost", "lost", ",.0f"),
    Column("wasted", "wasted", ",.0f"),
    Column("fairness", "Jain", ".3f"),
    Column("window", "window", ",.0f"),
)


def failures(case: Case, result: Result) -> list[str]:
    """Return a line for each figure that is out of the range that the scenario expects."""
    found = [f"a client ended: {result.measured.error}"] if result.measured.error else []
    for name, bounds in case.expect.model_dump(exclude_none=True).items():
        value = result.figures[name]
        least, most = bounds
        if value is None:
            found.append(f"{name}: this scenario has none")
        elif (least is not None and value < least) or (most is not None and value > most):
            found.append(f"{name}: {value:.4g} is not in [{_bound(least)}, {_bound(most)}]")
    goodput = result.figures["goodput"] or 0.0
    if case.best_fixed is not None and goodput < case.best_fixed - BELOW_BEST_FIXED:
        found.append(f"goodput: {goodput:.4g} is more than 3 points below the best fixed window's {case.best_fixed:g}")
    return found


def _bound(bound: float | None) -> str:
    return "-" if bound is None else f"{bound:g}"


def cells(result: Result) -> list[str]:
    """Return the figures of a play as the table has them."""
    values = ((result.figures[column.figure], column.form) for column in COLUMNS)
    return [NOTHING if value is None else format(value, form) for value, form in values]


def table(rows: Sequence[Sequence[str]], heads: Iterable[str]) -> str:
    """Return rows under `heads` in columns of equal width, as Markdown too."""
    lines = [[*heads], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
    text = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in lines]
    text.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    return "\n".join(text)
