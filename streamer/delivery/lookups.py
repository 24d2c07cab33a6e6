"""Asks the index about texts before they are inferred: many at a time, as of now, past every gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from streamer import logs
from streamer.batching.batcher import Room
from streamer.batching.books import Books
from streamer.batching.unchanged import HASH, Entry, Found, fields_of, found_of, inferred, spared
from streamer.elastic import Elastic
from streamer.errors import ElasticError, ElasticRefused, ElasticTimeout, ElasticUnavailable
from streamer.intake.route import Route
from streamer.metrics import LOOKUPS
from streamer.model import LOOK_UP, PLAIN, Write
from streamer.runtime import Runtime

MOST_OUT = 4
"""Look-ups that may be out at a time; what comes meanwhile goes together in the next one."""
ROOM = Room(200, 64_000_000)
"""Texts, and bytes of their documents, in one look-up."""
MOST_ANSWERED = 1_000
"""Documents that may wait with their tokens: those are larger than their records, for which there are bounds."""
AGAIN_S = 1.0
PASSING_STATUS = frozenset({429, 502, 503, 504})
FILTER_PATH = "docs.found,docs._source,docs.error.type"

log = logs.get("lookups")


TROUBLES = {Found.FAILED: "inferred", Found.UNREADABLE: "inferred", Found.LATER: "asked again"}
"""Answers that somebody should know of, and what becomes of the documents."""


class Answer(msgspec.Struct, frozen=True):
    """What came of a look-up; `known` is the write as it goes without the pipeline, if it can."""

    asked: Write
    found: Found
    known: Write | None = None
    detail: str = ""


class Lookups:
    """Gives writes their lane: past the pipeline when the index has the tokens of their texts.

    What cannot be looked up is inferred. While Elasticsearch itself is away it waits; one write for each deployment
    goes on all the same, so that the gate learns of it and tells.
    """

    def __init__(self, elastic: Elastic, routes: Mapping[str, Route], books: Books, runtime: Runtime) -> None:
        """Ask `elastic` about what waits in `books`; `routes` by name."""
        self._elastic, self._routes, self._books, self._runtime = elastic, routes, books, runtime
        hidden = any(route.reuse.hidden for route in routes.values())
        self._shown: dict[str, Any] = {"_source_exclude_vectors": "false"} if hidden else {}
        self._out = 0
        self._troubles: frozenset[Found] = frozenset()

    async def run(self) -> None:
        """Ask until cancelled."""
        for name, route in self._routes.items():
            if route.reuse.off:
                log.warning("tokens of unchanged texts are not used again", route=name, reason=route.reuse.off)
        while True:
            while self._may_ask():
                self._out += 1
                self._runtime.spawn(self._serve(self._books.ask(ROOM)))
            await self._runtime.bell.wait()

    def _may_ask(self) -> bool:
        books = self._books
        return self._out < MOST_OUT and books.waiting(LOOK_UP) > 0 and books.waiting(PLAIN) < MOST_ANSWERED

    async def _serve(self, asked: Sequence[Write]) -> None:
        later = self._take(await self._look_up(asked))
        self._runtime.bell.ring()
        if later:
            await self._wait(later)
        self._out -= 1
        self._runtime.bell.ring()

    async def _look_up(self, asked: Sequence[Write]) -> list[Answer]:
        """Read the hashes, then the tokens of those that are the same."""
        try:
            entries = await self._read(asked, [HASH])
            answers = [_answer(one, entry) for one, entry in zip(asked, entries, strict=True)]
            same = [answer.asked for answer in answers if answer.found is Found.UNCHANGED]
            fields = fields_of(self._routes[name] for name in {one.route for one in same})
            stored = iter(await self._read(same, fields, **self._shown) if same else ())
        except ElasticError as error:
            found = Found.LATER if _is_passing(error) else Found.FAILED
            return [Answer(one, found, detail=str(error)) for one in asked]
        return [self._spare(answer, next(stored)) if answer.found is Found.UNCHANGED else answer for answer in answers]

    async def _read(self, writes: Sequence[Write], fields: Sequence[str], **shown: Any) -> Sequence[Entry]:  # noqa: ANN401 - a request's parameters
        """Return an entry for each of `writes`. Raises ElasticError."""
        docs = [{"_index": self._routes[one.route].index, "_id": one.id} for one in writes]
        answer = await self._elastic.post(
            "/_mget", {"docs": docs}, _source_includes=",".join(fields), filter_path=FILTER_PATH, **shown
        )
        found: Sequence[Entry] = answer.get("docs", ())
        if len(found) != len(writes):
            raise ElasticUnavailable(f"{len(found)} documents came back for {len(writes)} that were asked for")
        return found

    def _spare(self, answer: Answer, entry: Entry) -> Answer:
        """Judge anew with the tokens in hand: the document may have been written since its hash was read."""
        write, now = answer.asked, _answer(answer.asked, entry)
        if now.found is not Found.UNCHANGED:
            return now
        known = spared(write, entry["_source"], self._routes[write.route])
        return Answer(write, Found.UNCHANGED if known else Found.UNREADABLE, known, f"id {write.id!r} has no tokens")

    def _take(self, answers: Sequence[Answer]) -> list[Write]:
        """Let writes go on; return those that have to be asked about again."""
        counts = Counter((answer.asked.route, answer.found) for answer in answers)
        for (route, found), count in counts.items():
            if found is not Found.LATER:
                self._runtime.meter.add(LOOKUPS, route, found.value, amount=count)
        for answer in answers:
            if answer.found is not Found.LATER:
                self._books.answered(answer.asked, answer.known or inferred(answer.asked))
        self._tell(answers)
        return [answer.asked for answer in answers if answer.found is Found.LATER]

    async def _wait(self, later: Sequence[Write]) -> None:
        for write in later:
            if not self._books.waiting(write.lane):
                self._books.answered(write, inferred(write))
        self._runtime.bell.ring()
        await self._runtime.clock.sleep(AGAIN_S)
        for write in later:
            self._books.answered(write, write)

    def _tell(self, answers: Sequence[Answer]) -> None:
        """Say once what is wrong, and again when it had been well; a lost token is told once in a run."""
        troubles = {answer.found: answer.detail for answer in answers if answer.found in TROUBLES}
        for found, detail in troubles.items():
            if found not in self._troubles:
                log.warning("texts not looked up", answer=found.value, now=TROUBLES[found], detail=detail)
        self._troubles = frozenset(troubles) | (self._troubles & {Found.UNREADABLE})


def _answer(write: Write, entry: Entry) -> Answer:
    return Answer(write, found_of(write, entry), detail=entry.get("error", {}).get("type", ""))


def _is_passing(error: ElasticError) -> bool:
    if isinstance(error, ElasticRefused):
        return error.status in PASSING_STATUS
    return isinstance(error, ElasticUnavailable | ElasticTimeout)
