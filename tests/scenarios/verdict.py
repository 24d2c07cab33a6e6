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


def brief(result: Result) -> str:
    """Return the three figures that tell most of a play: goodput, the queue, and what went wrong."""
    goodput, wait = result.figures["goodput"] or 0.0, result.figures["ingest_p99_s"] or 0.0
    wrong = {name: result.figures[name] or 0.0 for name in ("lost", "wasted")}
    wrong["‰ refused"] = result.figures["rejections"] or 0.0
    counts = [f"{count:,.0f} {name}" for name, count in wrong.items() if round(count)]
    return ", ".join([f"{goodput:.0%}", f"{wait:.2g} s" if wait < 10 else f"{wait:.0f} s", *counts])


def matrix(names: Sequence[str], results: Sequence[Result]) -> str:
    """Return a table with a row for each client and a column for each scenario; `names` are those of `results`."""
    columns = list(dict.fromkeys(names))
    policies = list(dict.fromkeys(_row_of(result) for result in results))
    found = {(_row_of(result), name): brief(result) for name, result in zip(names, results, strict=True)}
    rows = [[policy, *(found.get((policy, name), NOTHING) for name in columns)] for policy in policies]
    return table(rows, ["client", *columns])


def _row_of(result: Result) -> str:
    return "best fixed window" if result.policy.startswith("fixed ") else result.policy


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
