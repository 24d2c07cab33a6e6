"""`make refusals`: what becomes of documents while a share of them is refused, ours and the usual scripts side by side.

One stack; for each client and share a topic, an index and a deployment of their own, the same records at the same pace
below the deployment's capacity, and a proxy that sees what is sent. Who ends is started again, as operators do.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from compose.local.stack import Stack
from tests.bench.process import Client
from tests.bench.scripts import Job
from tests.fixtures.elastic import Elastic
from tests.fixtures.films import films, records_of
from tests.fixtures.kafka import Kafka
from tests.fixtures.proxy import Proxy
from tests.fixtures.recorder import Recorder
from tests.fixtures.scenario import OUTPUT, Scenario

CLIENTS = ("ours", "streaming_bulk", "streaming_bulk-careful", "faust", "faust-careful")
PARTITIONS = 4
TICK_S = 0.5
LOAD = 0.6
"""Share of the deployment's capacity that the producer asks for."""

HEAD = (
    "Client",
    "Refused",
    "Produced",
    "In the index",
    "Missing",
    "Of these committed",
    "Sent again after success",
    "429s",
    "Inferences / document",
    "Restarts",
)


@dataclass
class Lane:
    """One client under one share of refusals."""

    client: str
    share: float
    case: Scenario
    recorder: Recorder
    running: Client


def main() -> None:
    parser = argparse.ArgumentParser(prog="make refusals", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--grace", type=float, default=120.0, help="seconds to finish in, after the last record")
    parser.add_argument("--rate", type=float, default=10.0, help="records a second for each client")
    parser.add_argument("--shares", default="0.01,0.3")
    parser.add_argument("--clients", default=",".join(CLIENTS))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as undo:
        stack = undo.enter_context(Stack(Path(folder, "stack")))
        kafka = undo.enter_context(Kafka(stack.bootstrap_servers))
        elastic = undo.enter_context(Elastic(stack.elasticsearch_url))
        shares = [float(share) for share in given.shares.split(",")]
        lanes = [
            undo.enter_context(_lane(client, share, Scenario(kafka, elastic, Path(folder), _settings(stack))))
            for share in shares
            for client in given.clients.split(",")
        ]
        for lane in lanes:
            _prepare(lane, given.rate)
        _produce(lanes, given.seconds, given.rate)
        _await_all(lanes, given.grace)
        for lane in lanes:
            lane.running.end()
        _show([HEAD, *(_row(lane) for lane in lanes)])


def _settings(stack: Stack) -> dict[str, Any]:
    return {
        "kafka": {"bootstrap_servers": stack.bootstrap_servers},
        "elasticsearch": {"urls": [stack.elasticsearch_url]},
        "deployments": [{"model_id": "synthetic", "cache_size": "0b"}],
        "route": {"inference": [{"input": "text", "output": OUTPUT}]},
        "admin": {"port": 0},
    }


@contextmanager
def _lane(client: str, share: float, case: Scenario) -> Iterator[Lane]:
    recorder = Recorder()
    with Proxy(case.elastic.url, recorder) as proxy:
        case.settings["elasticsearch"] = {"urls": [proxy.url]}
        bootstrap = case.settings["kafka"]["bootstrap_servers"]
        job = Job(bootstrap, proxy.url, case.topic, case.index, f"{case.name}-elser")
        usual = ["tests.bench.scripts", client, json.dumps(asdict(job))]
        command = ["streamer", "run", "--config", str(case.config)] if client == "ours" else usual
        lane = Lane(client, share, case, recorder, Client(command, case.config.with_suffix(".log")))
        try:
            yield lane
        finally:
            lane.running.end()


def _prepare(lane: Lane, rate: float) -> None:
    case = lane.case
    case.set_up(PARTITIONS, base_ms=1_000 * LOAD / rate)
    fault = {"kind": "reject_items", "share": lane.share, "seed": 1, "deployment": case.deployment}
    case.elastic.ask("PUT", f"/_local/faults/{case.name}", fault)


def _produce(lanes: list[Lane], seconds: float, rate: float) -> None:
    records = iter(records_of(films(round(seconds * rate))))
    began, given = time.monotonic(), 0
    while given < round(seconds * rate):
        due = min(round((time.monotonic() - began) * rate), round(seconds * rate))
        batch = [next(records) for _ in range(due - given)]
        for lane in lanes:
            lane.running.tend()
            lane.case.send(batch)
        given = due
        time.sleep(TICK_S)


def _await_all(lanes: list[Lane], grace: float) -> None:
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline and any(_missing(lane) for lane in lanes):
        for lane in lanes:
            lane.running.tend()
        time.sleep(TICK_S)


def _missing(lane: Lane) -> dict[str, tuple[int, int]]:
    """Return partition and offset of the records whose documents are not there with their tokens, by id."""
    elastic, index = lane.case.elastic, lane.case.index
    elastic.ask("POST", f"/{index}/_refresh")
    query = {"size": 10_000, "_source": False, "query": {"exists": {"field": OUTPUT}}}
    found = {hit["_id"] for hit in elastic.ask("GET", f"/{index}/_search", query)["hits"]["hits"]}
    places = {(one.key or b"").decode(): (one.partition, one.offset) for one in lane.case.sent}
    return {key: place for key, place in places.items() if key not in found}


def _row(lane: Lane) -> tuple[str, ...]:
    case, missing = lane.case, _missing(lane)
    committed = case.kafka.committed(case.group, case.topic)
    passed = sum(offset < committed[partition] for partition, offset in missing.values())
    indexed = len(case.sent) - len(missing)
    inferences = case.elastic.inferences(case.deployment)
    counts = (len(case.sent), indexed, len(missing), passed, lane.recorder.again, lane.recorder.refused)
    return (
        lane.client.replace("-", ", "),
        f"{lane.share:.0%}",
        *(f"{count:,}" for count in counts),
        f"{inferences / max(1, indexed):.2f}",
        str(lane.running.starts - 1),
    )


def _show(rows: list[tuple[str, ...]]) -> None:
    head, *body = rows
    for row in (head, ["---"] * len(head), *body):
        sys.stdout.write(f"| {' | '.join(row)} |\n")


if __name__ == "__main__":
    main()
