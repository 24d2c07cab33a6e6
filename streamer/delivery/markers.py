"""Deletion markers: what comes from the redrive or the backlog topic must not bring back what was deleted since.

Elasticsearch forgets the version of a deleted document after `index.gc_deletes` and when it restarts, so it would take
an older state for a new document. The marker, written with the deletion, is kept as long as dead letters are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from streamer.delivery.bulk import marker_id
from streamer.delivery.outcome import Action, Verdict
from streamer.elastic import Elastic
from streamer.errors import ElasticError
from streamer.intake.route import Route
from streamer.model import Result, Write

Ask = Callable[[Sequence[Write]], Awaitable[list[Verdict]]]

STALE = Verdict(Action.DONE, Result.STALE.value, Result.STALE)
FILTER_PATH = "docs._id,docs.found,docs._version,docs.error.type,docs.error.reason"


class Markers:
    """Looks markers up in the state index, for many writes at a time and as of now."""

    def __init__(self, elastic: Elastic, routes: Mapping[str, Route], state_index: str) -> None:
        """Ask `elastic`; `routes`, by name, say which index a write goes to."""
        self._elastic, self._routes, self._state_index = elastic, routes, state_index

    async def checked(self, batch: Sequence[Write], ask: Ask) -> list[Verdict]:
        """Return a verdict for each write of `batch`: that of `ask`, unless its marker says that it must not be sent.

        When markers cannot be read, the writes that need them are held, the others go.
        """
        early = await self._early([write for write in batch if write.via is not None])
        going = [write for write in batch if id(write) not in early]
        answers = iter(await ask(going) if going else ())
        return [early[id(write)] if id(write) in early else next(answers) for write in batch]

    async def _early(self, writes: Sequence[Write]) -> dict[int, Verdict]:
        """Return the verdicts that stand before anything is sent, by the identity of the write."""
        if not writes:
            return {}
        try:
            answer = await self._elastic.post(
                f"/{self._state_index}/_mget",
                {"ids": [self._marker(write) for write in writes]},
                _source="false",
                filter_path=FILTER_PATH,
            )
        except ElasticError as error:
            return {id(write): _hold(str(error)) for write in writes}
        found = {entry.get("_id"): entry for entry in answer.get("docs", ())}
        verdicts = ((write, judge(found.get(self._marker(write)), write.version)) for write in writes)
        return {id(write): verdict for write, verdict in verdicts if verdict is not None}

    def _marker(self, write: Write) -> str:
        return marker_id(self._routes[write.route].index, write.id)


def judge(entry: Mapping[str, Any] | None, version: int) -> Verdict | None:
    """Return what the marker in an entry of the answer says about a write of `version`; None if it may go (pure)."""
    if entry is None or "found" not in entry:
        error = (entry or {}).get("error") or {}
        return _hold(f"{error.get('type', 'no answer')}: {error.get('reason', 'the marker was not looked up')}")
    return STALE if entry["found"] and entry["_version"] > version else None


def _hold(detail: str) -> Verdict:
    return Verdict(Action.HOLD, "markers_unreadable", detail=f"deletion markers cannot be read: {detail}")
