"""`make searches`: what the search service adds to a search, and what it does while inference is away.

20,000 documents, one shard. The same `query_vector` requests go straight to Elasticsearch and through the service, in
turn and in short slices, from a load generator in a process of its own, so that the machine's noise meets both alike.
First both are asked as fast as they answer (limits), then at half of the lower limit (latencies, from the moment a
request was due).
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compose.local.stack import Stack
from tests.bench.load import PLACE_OF_FRESH, Load
from tests.bench.searched import TIMED, Service, cpu_s, direct, index, machine, queries, service, through
from tests.fixtures.elastic import Elastic
from tests.fixtures.waiting import until

CONNECTIONS = 8
QUERY_MS = 40
"""The least of ELSER's published times for a query (v1, 8 threads, 238 tokens): what is hardest for a cache to beat."""
Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make searches", description=__doc__)
    parser.add_argument("--rounds", type=int, default=6, help="slices of each way, in turn")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a slice")
    parser.add_argument("--outage", type=float, default=30.0, help="seconds without the search deployment")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as undo:
        stack = undo.enter_context(Stack(Path(folder, "stack")))
        elastic = undo.enter_context(Elastic(stack.elasticsearch_url))
        sys.stdout.write(f"{machine()}\n")
        index(elastic)
        running = undo.enter_context(service(elastic, Path(folder)))
        bench = Bench(stack, elastic, running, given)
        limits = bench.limits()
        bench.latencies(min(limits.values()) / 2)
        bench.expansion()
        bench.outage(min(limits.values()) / 2)


class Bench:
    """The four measurements; each prints what it found."""

    def __init__(self, stack: Stack, elastic: Elastic, running: Service, given: argparse.Namespace) -> None:
        """Prepare the same requests for both ways; the service has the tokens of all."""
        self._stack, self._elastic, self._running, self._given = stack, elastic, running, given
        texts = queries()
        path, bodies = direct(running, elastic, texts)
        self._ways = {
            "direct": {"port": stack.elasticsearch_port, "path": path, "bodies": bodies},
            "service": {"port": running.port, "path": "/search", "bodies": through(texts)},
        }
        for text in texts:
            # Far above the budget, or the first answers on a busy machine would be by words.
            until(lambda text=text: "degraded" not in running.ask({"query": text, "mode": "semantic"}), "its tokens")

    def _in_turn(self, **load: float) -> dict[str, list[Found]]:
        found: dict[str, list[Found]] = {way: [] for way in self._ways}
        for _ in range(self._given.rounds):
            for way, slices in found.items():
                before = (self._running.cpu_s(), cpu_s(self._stack.elasticsearch.pid))
                one = generate(Load(**self._ways[way], seconds=self._given.seconds, **load))
                assert set(one["statuses"]) == {"200"}, one["statuses"]
                one["service_cpu"] = self._running.cpu_s() - before[0]
                one["elasticsearch_cpu"] = cpu_s(self._stack.elasticsearch.pid) - before[1]
                slices.append(one)
        return found

    def limits(self) -> dict[str, float]:
        """Ask as fast as both answer; return requests a second."""
        self._in_turn(connections=CONNECTIONS)  # warms both, and the JVM above all
        found = self._in_turn(connections=CONNECTIONS)
        row(
            "as fast as it answers",
            "requests/s",
            "requests / CPU-s of the service",
            "requests / CPU-s of Elasticsearch",
        )
        rates = {}
        for way, slices in found.items():
            count = sum(len(one["latencies"]) for one in slices)
            rates[way] = statistics.median(len(one["latencies"]) / one["seconds"] for one in slices)
            cpu = [sum(one[name] for one in slices) for name in ("service_cpu", "elasticsearch_cpu")]
            row(way, f"{rates[way]:.0f}", f"{count / cpu[0]:.0f}" if way == "service" else "", f"{count / cpu[1]:.0f}")
        return rates

    def latencies(self, rate: float) -> None:
        """Ask both at `rate` requests a second."""
        found = self._in_turn(rate=rate)
        row(f"at {rate:.0f} requests/s", "p50, ms", "p99, ms", "p50 of slices, ms", "p99 of slices, ms")
        at = {}
        for way, slices in found.items():
            together = [latency for one in slices for latency in one["latencies"]]
            at[way] = (percentile(together, 50), percentile(together, 99))
            spans = [[percentile(one["latencies"], place) for one in slices] for place in (50, 99)]
            row(way, *(f"{one:.2f}" for one in at[way]), *(f"{min(one):.2f} to {max(one):.2f}" for one in spans))
        added, ratio = at["service"][0] - at["direct"][0], at["service"][1] / at["direct"][1]
        row("added (bar: 3 ms), times (bar: 1.5)", f"{added:.2f}", f"{ratio:.2f}", "", "")

    def expansion(self) -> None:
        """Ask for texts that nobody asked before, and for one that is kept, in turn."""
        self._elastic.synthetic(TIMED, base_ms=QUERY_MS, ms_per_token=0, sigma=0)
        bodies = {
            "new texts": through([f"words {PLACE_OF_FRESH}"], index="timed"),
            "a kept text": through(["words"], index="timed"),
        }
        found: dict[str, list[float]] = {name: [] for name in bodies}
        for number in range(self._given.rounds):
            for name, body in bodies.items():
                one = generate(Load(self._running.port, "/search", body, self._given.seconds / 2, name=f"{number}-"))
                assert (set(one["statuses"]), one["degraded"]) == ({"200"}, 0), one["statuses"]
                found[name] += one["latencies"]
        row(f"an inference takes {QUERY_MS} ms", "p50, ms", "p99, ms")
        for name, all_of in found.items():
            row(name, f"{percentile(all_of, 50):.2f}", f"{percentile(all_of, 99):.2f}")
        middle = [percentile(all_of, 50) for all_of in found.values()]
        row("times faster (bar: 5)", f"{middle[0] / middle[1]:.1f}", "")

    def outage(self, rate: float) -> None:
        """Take the deployment away under a load of which half are new texts, and give it back."""
        mixed = through([f"words {PLACE_OF_FRESH}", "words"], index="timed", mode="hybrid")
        load = Load(self._running.port, "/search", mixed, self._given.outage, rate, name="outage-")
        self._elastic.stop_deployment(TIMED)
        found = generate(load)
        self._elastic.start_deployment(TIMED)
        began = time.monotonic()
        fresh = iter(range(10_000))
        until(lambda: "degraded" not in self._running.ask({"query": f"back {next(fresh)}", "index": "timed"}), "tokens")
        back_s = time.monotonic() - began
        row(
            f"{self._given.outage:.0f} s without inference",
            "requests/s",
            "answers by status",
            "by words alone",
            "p99, ms",
            "tokens again after, s",
        )
        numbers = (str(dict(found["statuses"])), str(found["degraded"]), f"{percentile(found['latencies'], 99):.1f}")
        row("half of them new texts", f"{rate:.0f}", *numbers, f"{back_s:.1f}")


def generate(load: Load) -> Found:
    """Run the load generator in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.load"]
    done = subprocess.run(command, input=json.dumps(asdict(load)), stdout=subprocess.PIPE, text=True, check=True)
    found: Found = json.loads(done.stdout)
    return found


def percentile(values: list[float], place: int) -> float:
    return statistics.quantiles(values, n=100)[place - 1]


def row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
