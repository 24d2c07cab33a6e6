"""Three example searches, side by side in the three modes."""

from __future__ import annotations

from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

QUESTIONS = (
    "robots that learn to feel love",
    "a heist in a casino",
    "lost at sea alone on a boat",
)
MODES = ("lexical", "semantic", "hybrid")
HITS = 5


def show(url: str, console: Console) -> None:
    """Ask each question in each mode and print the titles. Raises httpx.HTTPError when the service does not answer."""
    with httpx.Client(base_url=url, timeout=30) as client:
        for question in QUESTIONS:
            found = [_titles(client, question, mode) for mode in MODES]
            table = Table(*MODES, title=f"“{question}”", title_justify="left", expand=True)
            for row in zip(*found, strict=True):
                table.add_row(*row)
            console.print(table)


def _titles(client: httpx.Client, question: str, mode: str) -> list[str]:
    answer = client.post("/search", json={"query": question, "mode": mode, "size": HITS}).raise_for_status().json()
    titles = [_title(hit) for hit in answer["hits"]]
    return titles + [""] * (HITS - len(titles))


def _title(hit: dict[str, Any]) -> str:
    source = hit["source"]
    return f"{hit['score']:6.2f}  {source.get('title', hit['id'])} ({source.get('year', '?')})"
