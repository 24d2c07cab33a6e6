"""Counts which documents were sent to the encoder, by listening to the bulks on their way to Elasticsearch."""

from __future__ import annotations

import re
from collections import Counter

ACTION = re.compile(
    rb'\{"index":\{"_index":"[^"]*","_id":"((?:[^"\\]|\\.)*)","version":(\d+),[^{}]*"pipeline":"(?!_none")'
)


class Sends:
    """A tap of a `TcpProxy`: how often each state of a document was sent through the pipeline."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[bytes, int]] = Counter()
        self._rest: dict[int, bytes] = {}

    @property
    def distinct(self) -> int:
        """How many records needed an inference."""
        return len(self.counts)

    def __call__(self, connection: int, data: bytes) -> None:
        text = self._rest.get(connection, b"") + data
        whole = text.rfind(b"\n") + 1
        self._rest[connection] = text[whole:]
        self.counts.update((found[1], int(found[2])) for found in ACTION.finditer(text, 0, whole))
