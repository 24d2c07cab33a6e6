"""`make encoder`: how busy one allocation of the real encoder is kept by a backlog, and with which queue before it.

Ours, the best of some windows that never change, and the usual scripts, in slices of half a minute in turn, so that the
noise of the machine meets them alike. Each slice has a topic, an index and a deployment of its own, and is measured by
the node itself from some seconds after the first inference on.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compose.local.stack import Stack
from tests.bench.process import Client
from tests.bench.scripts import Job
from tests.fixtures.elastic import Elastic
from tests.fixtures.films import films, records_of
from tests.fixtures.kafka import Kafka
from tests.fixtures.scenario import OUTPUT, Scenario
from tests.fixtures.waiting import until
from tests.scenarios.measure import quantile

OURS, SCRIPTS = "ours", ("streaming_bulk", "parallel_bulk")
PARTITIONS = 4
SETTLE_S = 5.0
"""From the first inference until a client is at its pace."""
BUSY_GOAL, PACE_GOAL, WAIT_GOAL_S = 0.97, 0.97, 2.0
HEAD = ("Client", "Documents/s", "Of the best fixed", "Busy share", "Wait p50, s", "Wait p99, s", "429s", "Model, ms")


@dataclass
class Found:
    """What came of the slices of one client."""

    client: str
    seconds: float = 0.0
    worked_s: float = 0.0
    inferences: int = 0
    refused: int = 0
    waits_s: list[float] = field(default_factory=list)

    @property
    def pace(self) -> float:
        """Inferences a second."""
        return self.inferences / self.seconds

    @property
    def busy(self) -> float:
        """Part of the time in which the model was at work."""
        return self.worked_s / self.seconds

    def add(self, before: "Reading", after: "Reading") -> None:
        """Count a slice."""
        self.seconds += after.at - before.at
        self.worked_s += (after.worked_ms - before.worked_ms) / 1_000
        self.inferences += after.inferences - before.inferences
        self.refused += after.refused - before.refused
        taken = after.taken - before.taken
        self.waits_s += [waited / 1_000 for waited in after.last_waits_ms[-taken:]] if taken else []


@dataclass(frozen=True)
class Reading:
    """What a deployment of one node has done so far."""

    at: float
    worked_ms: float
    taken: int
    last_waits_ms: list[float]
    inferences: int
    refused: int


def main() -> None:
    given = _arguments()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as undo:
        stack = undo.enter_context(Stack(Path(folder, "stack")))
        kafka = undo.enter_context(Kafka(stack.bootstrap_servers))
        elastic = undo.enter_context(Elastic(stack.elasticsearch_url))
        bench = Bench(kafka, elastic, Path(folder), _settings(stack, given.model))
        windows = [f"fixed {window}" for window in given.windows.split(",")]
        best = max(bench.play(windows, given.probes, given.probe_seconds), key=lambda found: found.pace)
        found = bench.play([OURS, best.client, *SCRIPTS], given.rounds, given.slice_seconds)
    _show([HEAD, *(_row(one, found[1]) for one in found)])
    sys.exit("\n".join(_misses(found[0], found[1])) or 0)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make encoder", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--slice-seconds", type=float, default=25.0)
    parser.add_argument("--windows", default="4,8,16,32,64", help="among which the best is searched")
    parser.add_argument("--probes", type=int, default=2, help="rounds of that search")
    parser.add_argument("--probe-seconds", type=float, default=10.0)
    parser.add_argument("--model", default=".elser_model_2")
    return parser.parse_args()


def _settings(stack: Stack, model: str) -> dict[str, Any]:
    return {
        "kafka": {"bootstrap_servers": stack.bootstrap_servers},
        "elasticsearch": {"urls": [stack.elasticsearch_url]},
        "deployments": [{"model_id": model, "cache_size": "0b"}],
        "route": {"inference": [{"input": "text", "output": OUTPUT}]},
        "admin": {"port": 0},
    }


class Bench:
    """Plays clients on one stack."""

    def __init__(self, kafka: Kafka, elastic: Elastic, folder: Path, settings: dict[str, Any]) -> None:
        self._kafka, self._elastic, self._folder, self._settings = kafka, elastic, folder, settings
        self._records = records_of(films(9_750))

    def play(self, clients: Sequence[str], rounds: int, seconds: float) -> list[Found]:
        """Give each client so many slices, in turn, the order turned round each time."""
        found = {client: Found(client) for client in clients}
        for number in range(rounds):
            for client in clients if number % 2 else reversed(clients):
                with self._playing(client) as (running, deployment):
                    before = self._read(deployment)
                    end = time.monotonic() + seconds
                    while time.monotonic() < end:
                        running.tend()
                        time.sleep(min(1.0, max(0.0, end - time.monotonic())))
                    found[client].add(before, self._read(deployment))
            sys.stderr.write(f"{number + 1} of {rounds}: {[_brief(one) for one in found.values()]}\n")
        return list(found.values())

    @contextmanager
    def _playing(self, client: str) -> Iterator[tuple[Client, str]]:
        settings = self._settings | {"deployments": [dict(self._settings["deployments"][0])]}
        case = Scenario(self._kafka, self._elastic, self._folder, settings)
        running = Client(_command(client, case), case.config.with_suffix(".log"))
        try:
            case.set_up(PARTITIONS)
            case.send(self._records)
            running.tend()
            until(lambda: self._elastic.inferences(case.deployment), f"the first inference for {client}")
            time.sleep(SETTLE_S)
            yield running, case.deployment
        finally:
            running.end()
            case.close()

    def _read(self, deployment: str) -> Reading:
        at = time.monotonic()
        (work,) = self._elastic.ask("GET", f"/_local/inferences/{deployment}")["nodes"].values()
        inferences, refused = self._elastic.inferences(deployment), self._elastic.refused(deployment)
        return Reading(at, work["worked_ms"], work["taken"], work["last_waits_ms"], inferences, refused)


def _command(client: str, case: Scenario) -> list[str]:
    run = ["run", "--config", str(case.config)]
    kind, _, window = client.partition(" ")
    if client == OURS:
        return ["streamer", *run]
    if kind == "fixed":
        return ["tests.bench.fixed", window, *run]
    bootstrap = case.settings["kafka"]["bootstrap_servers"]
    job = Job(bootstrap, case.elastic.url, case.topic, case.index, f"{case.name}-elser")
    return ["tests.bench.scripts", client, json.dumps(asdict(job))]


def _brief(found: Found) -> str:
    return f"{found.client} {found.pace:.1f}/s, {found.busy:.3f} busy"


def _row(found: Found, best: Found) -> tuple[str, ...]:
    waits = (quantile(found.waits_s, 0.5), quantile(found.waits_s, 0.99))
    return (
        found.client,
        f"{found.pace:.1f}",
        f"{found.pace / best.pace:.3f}",
        f"{found.busy:.3f}",
        *(f"{wait:.2f}" for wait in waits),
        f"{found.refused:,}",
        f"{found.worked_s / found.inferences * 1_000:.2f}",
    )


def _misses(ours: Found, best: Found) -> list[str]:
    """Return what ours does not keep of what is promised."""
    wait = quantile(ours.waits_s, 0.99)
    kept = {
        f"busy share {ours.busy:.3f}, at least {BUSY_GOAL} is promised": ours.busy >= BUSY_GOAL,
        f"{ours.pace:.1f} documents/s, at least {PACE_GOAL} of {best.pace:.1f}": ours.pace >= PACE_GOAL * best.pace,
        f"wait p99 {wait:.2f} s, at most {WAIT_GOAL_S} s": wait <= WAIT_GOAL_S,
        f"{ours.refused} refused": not ours.refused,
    }
    return [miss for miss, is_kept in kept.items() if not is_kept]


def _show(rows: list[tuple[str, ...]]) -> None:
    head, *body = rows
    for row in (head, ["---"] * len(head), *body):
        sys.stdout.write(f"| {' | '.join(row)} |\n")


if __name__ == "__main__":
    main()
