"""An Elasticsearch that goes through moods: each request meets the next one, and after the last it is well."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable
from tests.fakes.clock import LoopClock
from tests.fakes.elastic import Failure, FakeElastic, Request, actions_of

MALFORMED = (400, "x_content_parse_exception", "[1:18] Unexpected character")
KILLER = (
    500,
    "status_exception",
    "Error in inference process: [inference native process died unexpectedly with failure [x]]",
)
QUEUED = (429, "es_rejected_execution_exception", "inference process worker service has shutdown")
ALLOCATIONS = 2
TOO_LARGE = 413
LATER_S = 7.0


@dataclass(frozen=True)
class Mood:
    """How one request is met.

    `failure` answers the whole request, or the items whose places are in `places`; of these only the ones with
    inference if it is `inferring` that failed. A `crowded` mood spares a document that comes alone. `silence` is how a
    request ends that gets no answer, and `done` whether its work was done: not at all, before the end, or a good while
    later.
    """

    failure: Failure | None = None
    places: frozenset[int] | None = None
    inferring: bool = False
    crowded: bool = False
    silence: type[ElasticTimeout | ElasticUnavailable] | None = None
    done: str = "never"
    seconds: float = 0.1


WELL = Mood()


class MoodyElastic(FakeElastic):
    """Refuses for ever what is bad: items whose version is in `bad`, with what they get, and more than `most` at once.

    One that is MALFORMED takes its whole request along, a KILLER those that are inferred with it.
    """

    def __init__(self, moods: Iterable[Mood] = (), bad: Mapping[int, Failure] | None = None, most: int = 1_000) -> None:
        super().__init__()
        self._moods: Iterator[Mood] = iter(moods)
        self._bad, self._most = bad or {}, most
        self._late: set[asyncio.Task[None]] = set()
        self.acknowledged: set[tuple[str, int]] = set()
        """What a client knows to be written: (id, version)."""
        self.sent_again: list[tuple[str, int]] = []
        """Documents that came although their client knew that they are written."""

    async def bulk(self, body: bytes, filter_path: str) -> dict[str, Any]:
        mood = next(self._moods, WELL)
        actions = actions_of(body)
        ours = tuple((meta["_id"], meta["version"]) for _, meta in actions if meta["_index"] == self.alias)
        self.requests.append(Request(LoopClock().monotonic(), ours))
        documents = [(meta["_id"], meta["version"]) for _, meta in actions if _is_document(meta)]
        self.sent_again += [document for document in documents if document in self.acknowledged]
        if mood.crowded and len(ours) == 1:
            mood = WELL
        await asyncio.sleep(mood.seconds)
        refused = self._refused(mood, ours)
        if mood.silence is not None:
            if refused is None:
                self._work_in_silence(mood, actions)
            raise mood.silence("no answer")
        if refused is not None:
            raise ElasticRefused(*refused)
        answers = self._answers(actions, mood)
        self.acknowledged |= {
            (meta["_id"], meta["version"])
            for (action, meta), answer in zip(actions, answers, strict=True)
            if _is_document(meta) and "error" not in answer[action]
        }
        return {"took": 1, "ingest_took": 1, "errors": False, "items": answers}

    def _refused(self, mood: Mood, ours: tuple[tuple[str, int], ...]) -> Failure | None:
        """Return the answer to the request as a whole, None when it is worked on."""
        if mood.failure is not None and mood.places is None:
            return mood.failure
        if len(ours) > self._most:
            return (TOO_LARGE, "", "")
        return MALFORMED if any(self._bad.get(version) == MALFORMED for _, version in ours) else None

    def _work_in_silence(self, mood: Mood, actions: list[tuple[str, dict[str, Any]]]) -> None:
        if mood.done == "before":
            self._answers(actions, mood)
        elif mood.done == "later":
            task = asyncio.get_running_loop().create_task(self._work_later(mood, actions))
            self._late.add(task)
            task.add_done_callback(self._late.discard)

    async def _work_later(self, mood: Mood, actions: list[tuple[str, dict[str, Any]]]) -> None:
        await asyncio.sleep(LATER_S)
        self._answers(actions, mood)

    def _answers(self, actions: list[tuple[str, dict[str, Any]]], mood: Mood) -> list[dict[str, Any]]:
        deaths = self._deaths([meta["version"] for _, meta in actions if _infers(meta)])
        return [
            {action: self._answer(place, action, meta, mood, deaths)} for place, (action, meta) in enumerate(actions)
        ]

    def _deaths(self, inferring: list[int]) -> dict[int, Failure]:
        """Return what the death of the process, if there is one, does to each of the documents that are inferred."""
        killers = [version for version in inferring if self._bad.get(version) == KILLER]
        if not killers:
            return {}
        computed = {*inferring[:ALLOCATIONS], *killers}
        return {version: KILLER if version in computed else QUEUED for version in inferring}

    def _answer(
        self, place: int, action: str, meta: dict[str, Any], mood: Mood, deaths: Mapping[int, Failure]
    ) -> dict[str, Any]:
        hit = mood.places is not None and place in mood.places and (not mood.inferring or _infers(meta))
        refused = mood.failure if hit else None
        bad = (deaths.get(meta["version"]) or self._bad.get(meta["version"])) if _is_document(meta) else None
        self.fails = lambda _: refused or bad
        return self._item(action, meta)

    async def rest(self) -> None:
        """Wait until all late work is done."""
        await asyncio.gather(*self._late)


def _is_document(meta: Mapping[str, Any]) -> bool:
    """Return whether it is no deletion, whose marker may have to be sent again together with it, and no marker."""
    return "pipeline" in meta


def _infers(meta: Mapping[str, Any]) -> bool:
    return meta.get("pipeline", "_none") != "_none"
