"""The table of a series of runs: what each fault cost."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from tests.chaos.faults import FAULTS
from tests.chaos.run import Outcome, Spell

HEAD = ("Fault", "What", "Times", "Lost", "Stale", "Inferences repeated", "Seconds to recover, median", "most")


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a Markdown table with a row for each fault that came, and a line of sums.

    Each was followed by rest, at which lost and stale were counted. Faults that came together both show what they cost
    together.
    """
    spells: defaultdict[str, list[Spell]] = defaultdict(list)
    for spell in (spell for outcome in outcomes for spell in outcome.spells):
        for name in spell.faults:
            spells[name].append(spell)
    rows = [_row(name, spells[name]) for name in FAULTS if name in spells]
    return "\n".join([_line(HEAD), _line(["---"] * len(HEAD)), *rows, "", summary(outcomes)])


def _row(name: str, spells: Sequence[Spell]) -> str:
    seconds = [spell.recovery_s for spell in spells]
    return _line(
        [
            f"`{name}`",
            FAULTS[name].what,
            str(len(spells)),
            str(sum(spell.lost for spell in spells)),
            str(sum(spell.stale for spell in spells)),
            str(sum(spell.repeated for spell in spells)),
            f"{statistics.median(seconds):.1f}",
            f"{max(seconds):.1f}",
        ]
    )


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the sums of all runs in a sentence."""
    good = sum(not outcome.problems for outcome in outcomes)
    ends = sum(len(outcome.ends) for outcome in outcomes)
    spells = [spell for outcome in outcomes for spell in outcome.spells]
    told = [
        f"{len(outcomes)} runs, {good} of them without a problem: {sum(one.records for one in outcomes):,} records",
        f"{sum(one.letters for one in outcomes):,} dead letters",
        f"{sum(one.inferences for one in outcomes):,} inferences",
        f"{sum(spell.repeated for spell in spells):,} of them repeated",
        f"{sum(spell.lost for spell in spells)} lost, {sum(spell.stale for spell in spells)} stale",
        f"{ends} unasked ends of a streamer",
    ]
    return f"{', '.join(told)}."


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
