"""One run: a seed, faults one after another and sometimes two at once; after each rest, and what must hold at rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos import topic_faults  # noqa: F401 - they enter themselves into the list
from tests.chaos.faults import FAULTS, Fault
from tests.chaos.history import Place
from tests.chaos.verdict import Buried, judge
from tests.chaos.world import ENCODER, SYNTHETIC, Kind, World

PAIRS = 0.3
"""Share of the times when two faults come at once."""

REST_S = 180.0


@dataclass(frozen=True)
class Plan:
    """What a run is: `faults` are the names to draw from, all of them when it is empty."""

    seed: int
    seconds: float
    faults: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """Return what is under test: every third seed has the real encoder model."""
        model = ENCODER if self.seed % 3 == 0 else SYNTHETIC
        return Kind(model, ("classic", "consumer")[self.seed % 2], static=self.seed % 5 == 0)

    def deck(self) -> list[Fault]:
        wanted = self.faults or tuple(FAULTS)
        return [FAULTS[name] for name in wanted if FAULTS[name].model in {"", self.kind.model}]


@dataclass
class Spell:
    """Faults that came together, what they cost, and what was wrong afterwards, at rest."""

    faults: tuple[str, ...]
    seconds: float
    recovery_s: float
    repeated: int
    lost: int = 0
    stale: int = 0


@dataclass
class Outcome:
    """What a run came to; `problems` is empty when everything held."""

    seed: int
    spells: list[Spell] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    records: int = 0
    letters: int = 0
    inferences: int = 0
    ends: list[str] = field(default_factory=list)
    looks: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Outcome:
        spells = [Spell(**{**spell, "faults": tuple(spell["faults"])}) for spell in value["spells"]]
        return cls(**{**value, "spells": spells})


def run(plan: Plan, folder: Path, say: Callable[[str], None] = print) -> Outcome:
    """Do what `plan` says and hold everything at rest; an error of the harness itself is raised."""
    outcome = Outcome(plan.seed)
    say(f"seed {plan.seed}: {plan.kind.words}, {plan.seconds:g} s")
    with World(folder, plan.seed, plan.kind, say) as world:
        try:
            _play(world, plan, outcome)
        except AssertionError as error:
            outcome.problems.append(str(error))
        outcome.problems += [f"crash: {crash}" for crash in world.crashes]
        outcome.records, outcome.letters = len(world.writer.history.facts), len(world.case.letters())
        outcome.inferences = world.reader.inferences.total
        outcome.ends, outcome.looks = list(world.ends), dict(world.reader.looks)
    for problem in outcome.problems:
        say(f"  PROBLEM {problem}")
    return outcome


def _play(world: World, plan: Plan, outcome: Outcome) -> None:
    """Strike until the time is over or something is wrong, then heal everything and look once more."""
    choose = Random(f"faults {plan.seed}")
    for _ in range(choose.randint(1, 3)):
        world.add()
    world.until(lambda: world.reader.looks["get"] and world.writer.finished, "the first records")
    _look(world, outcome, Spell((), 0.0, 0.0, 0))
    deck = _deal(plan, choose)
    end = time.monotonic() + plan.seconds
    while time.monotonic() < end and not outcome.problems:
        world.pass_time(choose.uniform(0.5, 3.0))
        if chosen := _draw(deck, plan, choose, world):
            outcome.spells.append(_strike(world, outcome, chosen, Random(choose.random())))
    world.heal()
    _look(world, outcome, Spell((), 0.0, 0.0, 0))


def _deal(plan: Plan, choose: Random) -> list[Fault]:
    return choose.sample(plan.deck(), len(plan.deck()))


def _draw(deck: list[Fault], plan: Plan, choose: Random, world: World) -> list[Fault]:
    """Take the next fault that is possible, sometimes two; one comes again when all others have come."""
    two = choose.random() < PAIRS
    if not any(fault.possible(world) for fault in deck):
        deck[:] = _deal(plan, choose)
    possible = [fault for fault in deck if fault.possible(world)]
    if not possible:
        return []
    first = possible.pop()
    apart = [fault for fault in possible if not fault.touches & first.touches]
    chosen = [first, apart[-1]] if two and apart else [first]
    for fault in chosen:
        deck.remove(fault)
    return chosen


def _strike(world: World, outcome: Outcome, faults: Sequence[Fault], choose: Random) -> Spell:
    """Let faults come and go, wait for the recovery while the writer goes on, and look at rest."""
    names = tuple(fault.name for fault in faults)
    seconds = max(choose.uniform(*fault.seconds) for fault in faults)
    world.say(f"  {' + '.join(names)}: {seconds:.1f} s ...")
    with ExitStack() as struck:
        for fault in faults:
            struck.enter_context(fault.strike(world, choose))
        world.pass_time(seconds)
    ends = world.kafka.ends(world.case.topic)
    recovery = world.until(lambda: world.reached(ends), f"recovery from {' and '.join(names)}")
    spell = Spell(names, seconds, recovery, 0)
    _look(world, outcome, spell)
    world.say(f"    recovered in {recovery:.1f} s, {spell.repeated} inferences repeated")
    return spell


def _look(world: World, outcome: Outcome, spell: Spell) -> None:
    """Bring the stream to rest and hold and count what can be known then; the writer goes on afterwards."""
    world.writer.pause()
    ends = world.kafka.ends(world.case.topic)
    world.until(lambda: world.reached(ends), "rest", REST_S)
    world.await_looks(2)
    world.hold_conservation()
    letters = world.case.letters()
    verdict = judge(world.writer.history, world.elastic.documents(world.case.index), letters)
    seen = list(_seen(world, Buried(world.writer.history, letters).decreed))
    spell.repeated = world.newly_repeated()
    spell.lost, spell.stale = len(verdict.lost), len(verdict.stale) + len(seen)
    outcome.problems += [f"after {' and '.join(spell.faults) or 'all'}: {line}" for line in [*verdict.lines, *seen]]
    world.writer.go_on()


def _seen(world: World, decreed: set[Place]) -> Iterator[str]:
    """Yield what the reader holds against the stream, but for records that a fault itself condemned."""
    excused = {(fact.record.key, fact.rank) for fact in world.writer.history.facts if fact.place in decreed}
    for name, violation in list(world.reader.violations.items()):
        if name not in excused:
            yield f"seen: {violation.text}"
