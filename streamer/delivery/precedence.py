"""What comes from the redrive or the backlog topic is old: is something newer there already? Then it is not inferred.

A deletion is newer too. Elasticsearch forgets the version of a deleted document after `index.gc_deletes` and when it
restarts, so it would take an older state for a new document. The marker, written with the deletion, is kept as long as
dead letters are.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from streamer.delivery.bulk import marker_id
from streamer.delivery.outcome import Action, Verdict
from streamer.elastic import Elastic
from streamer.errors import ElasticError
from streamer.intake.route import Route
from streamer.model import Result, Write

Ask = Callable[[Sequence[Write]], Awaitable[list[Verdict]]]
Entry = Mapping[str, Any]

STALE = Verdict(Action.DONE, Result.STALE.value, Result.STALE)
REPEATED = Verdict(Action.DONE, Result.REPEATED.value, Result.REPEATED)
FILTER_PATH = "docs.found,docs._version,docs.error.type,docs.error.reason"


class Precedence:
    """Looks up marker and document of writes that are old, many at a time and as of now."""

    def __init__(self, elastic: Elastic, routes: Mapping[str, Route], state_index: str) -> None:
        """Ask `elastic`; `routes`, by name, say which index a write goes to."""
        self._elastic, self._routes, self._state_index = elastic, routes, state_index

    async def checked(self, batch: Sequence[Write], ask: Ask) -> list[Verdict]:
        """Return a verdict for each write of `batch`: that of `ask`, unless something newer stands already.

        When that cannot be looked up, the writes that need it are held, the others go.
        """
        old = [write for write in batch if write.via is not None]
        if not old:
            return await ask(batch)
        early = await self._early(old)
        going = [write for write in batch if id(write) not in early]
        answers = iter(await ask(going) if going else ())
        return [early[id(write)] if id(write) in early else next(answers) for write in batch]

    async def _early(self, writes: Sequence[Write]) -> dict[int, Verdict]:
        """Return the verdicts that stand before anything is sent, by the identity of the write."""
        wanted = [entry for write in writes for entry in self._places(write)]
        try:
            answer = await self._elastic.post("/_mget", {"docs": wanted}, _source="false", filter_path=FILTER_PATH)
        except ElasticError as error:
            return {id(write): _hold(str(error)) for write in writes}
        found = answer.get("docs", ())
        if len(found) != len(wanted):
            return {id(write): _hold("an answer is missing") for write in writes}
        pairs = zip(writes, found[::2], found[1::2], strict=True)
        verdicts = ((write, judge(marker, document, write.version)) for write, marker, document in pairs)
        return {id(write): verdict for write, verdict in verdicts if verdict is not None}

    def _places(self, write: Write) -> Iterator[Entry]:
        """Yield where the marker and the document of a write stand."""
        index = self._routes[write.route].index
        yield {"_index": self._state_index, "_id": marker_id(index, write.id)}
        yield {"_index": index, "_id": write.id}


def judge(marker: Entry, document: Entry, version: int) -> Verdict | None:
    """Return what marker and document say about a write of `version`; None if it may go (pure).

    Its own marker does not stop it: a deletion that is sent again is the same deletion.
    """
    for entry in (marker, document):
        if "found" not in entry:
            error = entry.get("error") or {}
            return _hold(f"{error.get('type', 'no answer')}: {error.get('reason', 'it was not looked up')}")
    if max(_version(marker), _version(document)) > version:
        return STALE
    return REPEATED if _version(document) == version else None


def _version(entry: Entry) -> int:
    return int(entry["_version"]) if entry["found"] else -1


def _hold(detail: str) -> Verdict:
    return Verdict(Action.HOLD, "precedence_unknown", detail=f"what stands already cannot be read: {detail}")
