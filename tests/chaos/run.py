"""One run: a seed, faults one after another and sometimes two at once, then rest, and what must hold at rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.faults import FAULTS, Fault
from tests.chaos.history import Place
from tests.chaos.verdict import condemned, judge
from tests.chaos.world import ENCODER, SYNTHETIC, Kind, World
from tests.fixtures.scenario import assert_conserved

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
    """Faults that came together, and what they cost."""

    faults: tuple[str, ...]
    seconds: float
    recovery_s: float
    repeated: int


@dataclass
class Outcome:
    """What a run came to; `problems` is empty when everything held."""

    seed: int
    spells: list[Spell] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    lost: int = 0
    stale: int = 0
    records: int = 0
    letters: int = 0
    inferences: int = 0
    repeated: int = 0
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
    choose, outcome = Random(f"faults {plan.seed}"), Outcome(plan.seed)
    say(f"seed {plan.seed}: {plan.kind.words}, {plan.seconds:g} s")
    with World(folder, plan.seed, plan.kind, say) as world:
        for _ in range(choose.randint(1, 3)):
            world.add()
        world.until(lambda: world.reader.looks["get"] and world.writer.finished, "the first records")
        first = world.kafka.ends(world.case.topic)
        world.until(lambda: world.reached(first), "the first commits")
        try:
            _turmoil(world, plan, choose, outcome)
            _come_to_rest(world)
        except AssertionError as error:
            outcome.problems.append(str(error))
        _close(world, outcome)
    for problem in outcome.problems:
        say(f"  PROBLEM {problem}")
    return outcome


def _turmoil(world: World, plan: Plan, choose: Random, outcome: Outcome) -> None:
    """Strike until the time is over; a fault comes again when all others have come."""
    end = time.monotonic() + plan.seconds
    deck: list[Fault] = []
    while time.monotonic() < end:
        world.pass_time(choose.uniform(0.5, 3.0))
        deck = deck or choose.sample(plan.deck(), len(plan.deck()))
        chosen = _draw(deck, two=choose.random() < PAIRS)
        outcome.spells.append(_strike(world, chosen, Random(choose.random())))


def _draw(deck: list[Fault], *, two: bool) -> list[Fault]:
    first = deck.pop()
    apart = [fault for fault in deck if not fault.touches & first.touches]
    if not two or not apart:
        return [first]
    deck.remove(apart[-1])
    return [first, apart[-1]]


def _strike(world: World, faults: Sequence[Fault], choose: Random) -> Spell:
    names = tuple(fault.name for fault in faults)
    seconds = max(choose.uniform(*fault.seconds) for fault in faults)
    before = _repeated(world)
    with ExitStack() as struck:
        for fault in faults:
            struck.enter_context(fault.strike(world, choose))
        world.pass_time(seconds)
    ends = world.kafka.ends(world.case.topic)
    recovery = world.until(lambda: world.reached(ends), f"recovery from {' and '.join(names)}")
    repeated = max(0, _repeated(world) - before)
    world.say(f"  {' + '.join(names)}: {seconds:.1f} s, recovered in {recovery:.1f} s, {repeated} inferences repeated")
    return Spell(names, seconds, recovery, repeated)


def _repeated(world: World) -> int:
    """Return how many inferences were made beyond one for each record that was sent to one."""
    return world.reader.inferences.total - world.sends.distinct


def _come_to_rest(world: World) -> None:
    world.heal()
    world.writer.end()
    if not world.slots[0].alive:
        world.tend()
    ends = world.kafka.ends(world.case.topic)
    world.until(lambda: world.reached(ends), "rest", REST_S)
    world.reader.end()
    survivor = world.slots[0].running
    assert survivor is not None
    assert_conserved(survivor)


def _seen(world: World, decreed: set[Place]) -> list[str]:
    """Return what the reader held against the stream, but for records that a fault itself condemned."""
    excused = {(fact.record.key, fact.rank) for fact in world.writer.history.facts if fact.place in decreed}
    return [f"seen: {violation.text}" for name, violation in world.reader.violations.items() if name not in excused]


def _close(world: World, outcome: Outcome) -> None:
    """Judge, and note the numbers."""
    letters = world.case.letters()
    if not outcome.problems:
        verdict = judge(world.writer.history, world.elastic.documents(world.case.index), letters)
        outcome.lost, outcome.stale = len(verdict.lost), len(verdict.stale)
        outcome.problems += verdict.lines
    seen = _seen(world, condemned(letters))
    outcome.problems += seen
    outcome.stale += len(seen)
    outcome.letters = len(letters)
    outcome.records = len(world.writer.history.facts)
    outcome.inferences, outcome.repeated = world.reader.inferences.total, max(0, _repeated(world))
    outcome.ends, outcome.looks = list(world.ends), dict(world.reader.looks)
