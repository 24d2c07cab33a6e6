"""`make scenarios DIR=path`: play the scenario files of a folder in virtual time, print a table, hold what they expect.

Exits with 1 when one comes out otherwise, and with 2 when a file is no scenario.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from os import cpu_count
from pathlib import Path

from streamer import logs
from tests.scenarios.best import best_fixed
from tests.scenarios.case import Case, CaseError, load
from tests.scenarios.policies import POLICIES, policy_of
from tests.scenarios.verdict import COLUMNS, cells, failures, matrix, table
from tests.scenarios.world import Result, play

CASES = Path(__file__).parent / "cases"
HEADS = ("scenario", "policy", *(column.head for column in COLUMNS), "CPU s")


def main(arguments: Sequence[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    try:
        cases = dict(_cases(given))
    except CaseError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not cases:
        sys.stderr.write(f"no scenario in {given.folder}\n")
        return 2
    names = list(POLICIES) if given.all_policies else given.policy or ["ours"]
    works = [(name, case, policy) for name, case in cases.items() for policy in names]
    with ProcessPoolExecutor(given.jobs, initializer=partial(logs.configure, "ERROR", "console")) as pool:
        results = list(pool.map(_play, [case for _, case, _ in works], [policy for *_, policy in works]))
        if given.all_policies or given.best_fixed:
            best = pool.map(best_fixed, cases.values())
            works += [(name, case, "best fixed") for name, case in cases.items()]
            results += best
    if given.brief:
        sys.stdout.write(matrix([name for name, *_ in works], results) + "\n")
    return _tell(works, results)


def _tell(works: Sequence[tuple[str, Case, str]], results: Sequence[Result]) -> int:
    order = sorted(range(len(works)), key=lambda place: works[place][0])
    rows = [[works[n][0], results[n].policy, *cells(results[n]), f"{results[n].cpu_s:.1f}"] for n in order]
    sys.stdout.write(table(rows, HEADS) + "\n")
    failed = 0
    for (name, case, policy), result in zip(works, results, strict=True):
        if policy == "ours" and (lines := failures(case, result)):
            failed += 1
            sys.stdout.write("\n  ".join([f"\n{name} failed:", *lines]) + "\n")
    held = sum(policy == "ours" for *_, policy in works)
    if held:
        sys.stdout.write(f"\n{held - failed} of {held} scenarios as expected\n")
    return int(failed > 0)


def _cases(given: argparse.Namespace) -> Iterator[tuple[str, Case]]:
    for path in sorted(given.folder.glob("*.y*ml")):
        if given.scenario and path.stem not in given.scenario:
            continue
        case = load(path)
        yield path.stem, case.model_copy(update={"seconds": given.seconds}) if given.seconds else case


def _play(case: Case, policy: str) -> Result:
    return play(case, policy_of(policy))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=CASES, help="where the YAML files are")
    parser.add_argument("--scenario", action="append", help="only this one (the file's name without its ending)")
    parser.add_argument("--policy", action="append", help="this client instead: " + ", ".join([*POLICIES, "fixed N"]))
    parser.add_argument("--all-policies", action="store_true", help="all clients, and the best fixed window")
    parser.add_argument("--brief", action="store_true", help="also print a row for each client, in few words")
    parser.add_argument("--best-fixed", action="store_true", help="also search out the best fixed window")
    parser.add_argument("--seconds", type=float, help="play so long instead, such as 1200")
    parser.add_argument("--jobs", type=int, default=cpu_count(), help="plays side by side")
    return parser


if __name__ == "__main__":
    sys.exit(main())
