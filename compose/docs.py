"""`make docs`: write the tables of README.md and docs/ anew from the code's own lists.

A table stands between `<!-- table: NAME -->` and `<!-- end of table -->`; what is between them is not written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from search_api.metrics import SEARCH_METRICS
from search_api.settings import Settings as SearchSettings
from streamer.delivery.outcome import DOCUMENT_ERRORS, TABLE, Action, Row
from streamer.metrics import STREAMER_METRICS, Metric
from streamer.settings import Settings
from streamer.tools.config import markdown, rows

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def main() -> None:
    """Rewrite every page."""
    for page in pages():
        page.write_text(renewed(page.read_text()))


def pages() -> list[Path]:
    """Return the pages that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def renewed(text: str) -> str:
    """Return `text` with its tables as the code has them now. Raises KeyError for a table that nobody writes."""
    return BLOCK.sub(lambda block: f"{block[1]}\n{TABLES[block[2]]()}\n\n{block[3]}", text)


def _table(head: Iterable[str], body: Iterable[Iterable[str]]) -> str:
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in body)]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)


def _metrics(metrics: Iterable[Metric]) -> str:
    head = ("Metric", "Kind", "Labels", "Meaning")
    return _table(head, ((f"`{row.name}`", row.kind, ", ".join(row.labels), row.meaning) for row in metrics))


def _answers() -> str:
    head = ("Layer", "Status", "`error.type`", "`error.reason` matches", "What is done", "Counted as")
    known = (
        (row.layer.value, str(row.status), _code(row.kind), _code(row.text), _what(row), f"`{row.reason}`")
        for row in TABLE
    )
    conflict = ("item", "409", "`version_conflict_engine_exception`", "", "done", "`repeated` or `stale`")
    document = ("item", "400", ", ".join(f"`{kind}`" for kind in sorted(DOCUMENT_ERRORS)), "", "never", "its type")
    return _table(head, (conflict, *known, document, ("any", "other", "any", "", "stop", "`unknown`")))


def _what(row: Row) -> str:
    return f"{row.action.value} ({row.place.value})" if row.action is Action.HOLD else row.action.value


def _code(text: str) -> str:
    return f"`{text}`" if text else "any"


TABLES: dict[str, Callable[[], str]] = {
    "streamer_settings": lambda: markdown(rows(Settings)),
    "search_settings": lambda: markdown(rows(SearchSettings)),
    "streamer_metrics": lambda: _metrics(STREAMER_METRICS),
    "search_metrics": lambda: _metrics(SEARCH_METRICS),
    "answers": _answers,
}

if __name__ == "__main__":
    main()
