"""The state index keeps deletion markers and notes about dead letters for as long as they can be of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import orjson

from streamer import logs
from streamer.clock import Clock
from streamer.elastic import Elastic
from streamer.errors import ElasticError

DAY_MS = 86_400_000
EVERY_S = 3_600.0
PAGE = 1_000
KINDS = ("marker", "letter")
GONE = frozenset({200, 404, 409})
"""Statuses of a deletion that need no other: deleted, deleted by another instance, or written anew meanwhile."""

HTTP_OK = 200
FILTER_PATH = "items.*.status,items.*.error.type"

log = logs.get("retention")


class Retention:
    """Purges what is too old, slowly: nothing waits for it."""

    def __init__(self, elastic: Elastic, state_index: str, days: int, clock: Clock) -> None:
        """Let `state_index` keep what letters may need, which are kept `days` days in each of two topics.

        One that is redriven on its last day has the same time again in the redrive topic.
        """
        self._elastic, self._state_index, self._clock = elastic, state_index, clock
        self._keep_ms = 2 * days * DAY_MS
        self._random = Random()  # noqa: S311 - spreads instances over the hour, guards no secret

    async def run(self) -> None:
        """Purge about once an hour until cancelled; what fails is told and tried again an hour later."""
        while True:
            await self._clock.sleep(EVERY_S * self._random.uniform(0.5, 1.5))
            try:
                purged = await self.purge()
            except ElasticError as error:
                log.warning("old state not purged", error=str(error))
            else:
                log.info("old state purged", documents=purged)

    async def purge(self) -> int:
        """Delete what is too old and return how many documents that were. Raises ElasticError."""
        before_ms, purged = self._clock.now_ms() - self._keep_ms, 0
        while page := await self._page(before_ms):
            answer = await self._elastic.bulk(deletions(page), FILTER_PATH)
            statuses = [item["delete"]["status"] for item in answer.get("items", ())]
            purged += statuses.count(HTTP_OK)
            if not GONE.issuperset(statuses):
                break
        return purged

    async def _page(self, before_ms: int) -> Sequence[Mapping[str, Any]]:
        # What the page before deleted must not be found again.
        await self._elastic.post(f"/{self._state_index}/_refresh")
        answer = await self._elastic.post(f"/{self._state_index}/_search", search(before_ms))
        hits: Sequence[Mapping[str, Any]] = answer["hits"]["hits"]
        return hits


def search(before_ms: int) -> dict[str, Any]:
    """Return the search for one page of what was written before a time in milliseconds since 1970 (pure)."""
    conditions = [{"terms": {"kind": list(KINDS)}}, {"range": {"at_ms": {"lt": before_ms}}}]
    return {
        "size": PAGE,
        "query": {"bool": {"filter": conditions}},
        "sort": [{"at_ms": "asc"}],
        "seq_no_primary_term": True,
        "_source": False,
        "track_total_hits": False,
    }


def deletions(hits: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the bulk that deletes what was found, unless it was written anew since (pure)."""
    actions = [
        {
            "_index": hit["_index"],
            "_id": hit["_id"],
            "if_seq_no": hit["_seq_no"],
            "if_primary_term": hit["_primary_term"],
        }
        for hit in hits
    ]
    return b"".join(orjson.dumps({"delete": action}) + b"\n" for action in actions)
