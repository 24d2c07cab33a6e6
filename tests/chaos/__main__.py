"""`make chaos`: runs with faults drawn from seeds, some side by side, and a table of what they cost.

Each run is a process with a stack of its own, ended by force when it takes far longer than it should.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.report import table
from tests.chaos.run import Outcome, Plan, run
from tests.conftest import SETTINGS

BESIDE_S = 600.0
"""What a run may take beside its faults: start, the last recovery, rest, and a busy machine."""


def main() -> int:
    given = arguments()
    if given.outcome is not None:
        return one(plan_of(given, given.seed, given.seconds), given.outcome)
    with tempfile.TemporaryDirectory(prefix="chaos-") as kept, ThreadPoolExecutor(given.jobs) as jobs:
        folder = given.logs or Path(kept)
        outcomes = list(jobs.map(lambda plan: apart(plan, folder), plans(given)))
    text = table(outcomes)
    sys.stdout.write(f"\n{text}\n")
    if given.table is not None:
        given.table.write_text(f"{text}\n")
    return int(any(outcome.problems for outcome in outcomes))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="runs with seeds that follow each other")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long faults come in each")
    parser.add_argument("--soak", type=float, default=0.0, help="seconds of one long run after them; 0 for none")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side")
    parser.add_argument("--faults", default="", help=f"only these: {','.join(FAULTS)}")
    parser.add_argument("--table", type=Path, help="file that gets the table too")
    parser.add_argument("--logs", type=Path, help="folder in which logs and data are kept")
    parser.add_argument("--outcome", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(filter(None, given.faults.split(","))) - FAULTS.keys():
        parser.error(f"no such fault: {', '.join(sorted(unknown))}")
    return given


def plan_of(given: argparse.Namespace, seed: int, seconds: float) -> Plan:
    return Plan(seed, seconds, tuple(filter(None, given.faults.split(","))))


def plans(given: argparse.Namespace) -> Iterator[Plan]:
    """Yield the long run first, so that the others fill the time beside it."""
    last = given.seed + given.seeds
    if given.soak:
        yield plan_of(given, last, given.soak)
    yield from (plan_of(given, seed, given.seconds) for seed in range(given.seed, last))


def one(plan: Plan, file: Path) -> int:
    """Do one run in this process and write what it came to."""
    folder = file.parent / "world"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    outcome = run(plan, folder, say)
    file.write_text(json.dumps(outcome.to_json()))
    if not outcome.problems:
        shutil.rmtree(folder)
    return 0


def apart(plan: Plan, folder: Path) -> Outcome:
    """Do one run in a process of its own, within its time."""
    place = folder / f"seed-{plan.seed}"
    place.mkdir(parents=True, exist_ok=True)
    file, log = place / "outcome.json", place / "log"
    command = [sys.executable, "-m", "tests.chaos", f"--seed={plan.seed}", f"--seconds={plan.seconds}"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, f"--faults={','.join(plan.faults)}", f"--outcome={file}"],
            env=_clean(os.environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            process.wait(plan.seconds * 3 + BESIDE_S)
        except subprocess.TimeoutExpired:
            # Stack and streamers end with it.
            process.kill()
            process.wait()
    return _told(plan, file, log.read_text("utf-8", "replace"))


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Keep settings of the shell away from the runs."""
    return {name: value for name, value in environment.items() if not name.startswith(SETTINGS)}


def _told(plan: Plan, file: Path, log: str) -> Outcome:
    said = [line for line in log.splitlines() if line.startswith(("seed ", "  "))]
    say("\n".join(said))
    if file.exists():
        return Outcome.from_json(json.loads(file.read_text()))
    tail = "\n".join(log.splitlines()[-40:])
    say(f"seed {plan.seed} came to no end:\n{tail}")
    return Outcome(plan.seed, problems=["it came to no end"])


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
