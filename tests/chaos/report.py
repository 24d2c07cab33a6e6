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

    Lost and stale are found at rest, so they count for every fault of their run. Faults that came together both show
    what they cost together.
    """
    spells: defaultdict[str, list[Spell]] = defaultdict(list)
    runs: defaultdict[str, dict[int, Outcome]] = defaultdict(dict)
    for outcome in outcomes:
        for spell in outcome.spells:
            for name in spell.faults:
                spells[name].append(spell)
                runs[name][id(outcome)] = outcome
    rows = [_row(name, spells[name], list(runs[name].values())) for name in FAULTS if name in spells]
    return "\n".join([_line(HEAD), _line(["---"] * len(HEAD)), *rows, "", summary(outcomes)])


def _row(name: str, spells: Sequence[Spell], runs: Sequence[Outcome]) -> str:
    seconds = [spell.recovery_s for spell in spells]
    return _line(
        [
            f"`{name}`",
            FAULTS[name].what,
            str(len(spells)),
            str(sum(run.lost for run in runs)),
            str(sum(run.stale for run in runs)),
            str(sum(spell.repeated for spell in spells)),
            f"{statistics.median(seconds):.1f}",
            f"{max(seconds):.1f}",
        ]
    )


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return the sums of all runs in a sentence."""
    good = sum(not outcome.problems for outcome in outcomes)
    ends = sum(len(outcome.ends) for outcome in outcomes)
    told = [
        f"{len(outcomes)} runs, {good} of them without a problem: {sum(one.records for one in outcomes):,} records",
        f"{sum(one.letters for one in outcomes):,} dead letters",
        f"{sum(one.inferences for one in outcomes):,} inferences",
        f"{sum(one.repeated for one in outcomes):,} of them repeated",
        f"{sum(one.lost for one in outcomes)} lost, {sum(one.stale for one in outcomes)} stale",
        f"{ends} unasked ends of a streamer",
    ]
    return f"{', '.join(told)}."


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
