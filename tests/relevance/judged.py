"""The judged collections of the relevance ring, read from their files."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"
FILMS = Path(__file__).parents[2] / "compose" / "data" / "films" / "docs.jsonl.gz"


@dataclass(frozen=True)
class Collection:
    """`documents`: JSON lines with `id`; `queries`: id to text; `judgments`: query id to document id to grade."""

    documents: Path
    queries: dict[str, str]
    judgments: dict[str, dict[str, int]]


def lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text file, plain or gzip."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        yield from (line.rstrip("\n") for line in file)


def documents(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


def _queries(path: Path) -> dict[str, str]:
    return {query["id"]: query["text"] for query in documents(path)}


def _judgments(path: Path) -> dict[str, dict[str, int]]:
    judgments: dict[str, dict[str, int]] = defaultdict(dict)
    for line in lines(path):
        query, document, grade = line.split("\t")
        judgments[query][document] = int(grade)
    return dict(judgments)


def noveleval() -> Collection:
    """21 questions over 420 passages, all judged 0, 1 or 2."""
    data = DATA / "noveleval"
    return Collection(data / "docs.jsonl", _queries(data / "queries.jsonl"), _judgments(data / "qrels.tsv"))


def films() -> Collection:
    """1,000 search-box queries over 9,750 films, judged 0 or 1."""
    data = DATA / "films"
    return Collection(FILMS, _queries(data / "queries_1000.jsonl"), _judgments(data / "qrels_1000.tsv.gz"))
