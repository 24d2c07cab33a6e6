"""The syntax `query_string`, made safe: it looks only where the index lets words be looked for.

Elasticsearch has no list of fields that such a query may name, so the names are read here, by the grammar of Lucene's
classic query parser. What that reads in a state of its own (ranges, regular expressions) would hide names: the one is
refused, the other escaped.
https://lucene.apache.org/core/10_0_0/queryparser/org/apache/lucene/queryparser/classic/package-summary.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# A quoted phrase, an escaped sign, a run of signs that mean nothing here, or one sign.
_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|\\.|[^"\\ \t\n\r\u3000(:/\[\]{}]+|.', re.DOTALL)
_BREAKS = frozenset(" \t\n\r\u3000(")
_RANGES = frozenset("[]{}")


def faults(text: str, fields: Sequence[str]) -> Iterator[str]:
    """Yield why `text` may not be sent; `fields` are those that it may name."""
    name = ""
    for piece in _PIECE.findall(text):
        if piece in _RANGES:
            yield f"{piece!r} must be escaped as '\\{piece}': ranges are asked for with filters"
        if piece == ":" and name.lstrip("+-!") not in fields:
            yield f"{name!r} is not a field to look for words in; a colon that is meant is written '\\:'"
        name = "" if piece in _BREAKS or piece == ":" else name + piece


def safe(text: str) -> str:
    """Return `text` with its slashes escaped: what stands between two of them would be a regular expression."""
    return "".join("\\/" if piece == "/" else piece for piece in _PIECE.findall(text))
