"""What must hold at rest, worked out from the history alone; every difference is named, none is raised."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.history import Fact, History, Kind, Place, rank_of
from tests.chaos.writer import id_of
from tests.fixtures.elastic import Found
from tests.fixtures.scenario import OUTPUT, Json
from tests.fixtures.truth import BESIDE, RESERVED, has_text

DECREES = ("fault [http_status] answers with 400", "too_large")
"""What the dead letter of a good record says that was alone in a request when a fault answered it with 400 or 413.

Nobody could tell that answer from one about the document itself, so it is a dead letter rightly.
"""


@dataclass
class Verdict:
    """Differences by kind, each a line for people; all empty is what is wanted."""

    lost: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    buried: list[str] = field(default_factory=list)
    """Good records among the dead letters, and poison that is missing there."""

    @property
    def lines(self) -> list[str]:
        return [f"{name}: {line}" for name in ("lost", "stale", "wrong", "buried") for line in getattr(self, name)]


def judge(history: History, found: Mapping[str, Found], letters: Sequence[Json]) -> Verdict:
    """Hold documents and dead letters against what was sent."""
    verdict = Verdict()
    buried = Buried(history, letters)
    verdict.buried += buried.differences(history)
    expected = {}
    for key in history.documents():
        good = [fact for fact in history.good(key) if fact.place not in buried.decreed]
        if good:
            expected[id_of(key)] = good[-1]
            _judge_document(verdict, good[-1], found.get(id_of(key)))
    verdict.wrong += [f"nobody sent {name!r}" for name in found.keys() - expected.keys()]
    return verdict


def _judge_document(verdict: Verdict, fact: Fact, found: Found | None) -> None:
    what = f"{fact.record.key!r} of {fact.place}"
    if found is None:
        if not fact.deletes:
            verdict.lost.append(f"{what} is not there")
    elif fact.deletes:
        verdict.stale.append(f"{what} was deleted, but version {found.version} is there")
    elif rank_of(found.version) < fact.rank:
        verdict.stale.append(f"{what} has the older version {found.version}")
    elif difference := _difference(fact, found):
        verdict.wrong.append(f"{what}: {difference}")


def _difference(fact: Fact, found: Found) -> str:
    value = json.loads(fact.record.value or b"")
    own = {name: value for name, value in found.source.items() if name not in {RESERVED, OUTPUT, *BESIDE}}
    if rank_of(found.version) != fact.rank:
        return f"version {found.version}, which no record of it has"
    if own != value:
        return f"content {own} instead of {value}"
    if bool(found.source.get(OUTPUT)) != has_text(value):
        return f"tokens {bool(found.source.get(OUTPUT))}, text {has_text(value)}"
    reserved = found.source[RESERVED]
    place = (reserved["epoch"], reserved["partition"], reserved["offset"])
    return "" if place == fact.place else f"it says that it comes from {place}"


class Buried:
    """The records that have a dead letter, by place, each with what its letter says.

    A letter is held to be about the record whose place, key and value it holds; its epoch tells two of them apart, and
    may be the old one where a topic was made again and nobody had noticed yet.
    """

    def __init__(self, history: History, letters: Sequence[Json]) -> None:
        self.reasons: dict[Place, str] = {}
        self.unknown: list[str] = []
        for letter in letters:
            same = [fact for fact in history.at(letter["partition"], letter["offset"]) if _is_about(letter, fact)]
            epoch = letter["epoch"]
            place = next((fact.place for fact in same if fact.epoch == epoch), same[-1].place if same else None)
            if place is None:
                self.unknown.append(f"a dead letter of what nobody sent: {letter}")
            else:
                self.reasons[place] = f"{letter['reason']} {letter['detail']}"

    @property
    def decreed(self) -> set[Place]:
        """The records that a fault itself condemned."""
        return {place for place, reason in self.reasons.items() if any(decree in reason for decree in DECREES)}

    def differences(self, history: History) -> list[str]:
        good = {fact.place for fact in history.facts if fact.kind is Kind.GOOD}
        wrong = sorted((good & self.reasons.keys()) - self.decreed)
        missing = sorted(_due(history, self.decreed) - self.reasons.keys())
        return [
            *self.unknown,
            *(f"good record {place}: {self.reasons[place]}" for place in wrong),
            *(f"poison {place} has no dead letter" for place in missing),
        ]


def _is_about(letter: Json, fact: Fact) -> bool:
    return (letter["key_base64"], letter["value_base64"]) == (_base64(fact.record.key), _base64(fact.record.value))


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _due(history: History, decreed: set[Place]) -> set[Place]:
    """Return the records that must be dead letters.

    What Elasticsearch would refuse is refused only when it gets there, so a newer good record of its key may have
    spared it that.
    """
    undecodable = {fact.place for fact in history.facts if fact.kind is Kind.UNDECODABLE}
    last = {
        key: max((fact.rank for fact in history.good(key) if fact.place not in decreed), default=0)
        for key in history.documents()
    }
    unmapped = (fact for fact in history.facts if fact.kind is Kind.UNMAPPED)
    return undecodable | {fact.place for fact in unmapped if fact.rank > last.get(fact.record.key or b"", 0)}
