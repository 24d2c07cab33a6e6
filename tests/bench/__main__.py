"""`make bench`: what the data path costs beside the encoder, against a bulk endpoint that stores nothing.

Real Kafka, documents of about 640 bytes in 4 partitions; ours, a bare loop, elasticsearch-py's helpers, a Faust agent
and rsyslog in turn, so that the machine's noise meets them alike. Printed are medians, and ratios to ours; what a
process needs until everything is imported stands apart.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import httpx
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console
from rich.table import Table

from compose.local import ports
from compose.local.stack import Stack
from tests.bench.clients import RUNNERS
from tests.fixtures.waiting import until

PARTITIONS = 4
OWN = "streamer"
PADDING = "x" * 560


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--clients", nargs="*", choices=RUNNERS, default=list(RUNNERS))
    given = parser.parse_args()
    given.clients = _there(given.clients)
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        topic = _load(stack.bootstrap_servers, given.documents)
        (port,) = ports.free(1)
        sink = subprocess.Popen([sys.executable, "-m", "compose.local.nullsink", "--port", str(port)])
        try:
            url = f"http://127.0.0.1:{port}"
            until(lambda: _serves(url), "the null bulk endpoint")
            _show(_measure(stack.bootstrap_servers, url, topic, given), given.documents)
        finally:
            sink.terminate()
            sink.wait()


def _there(clients: list[str]) -> list[str]:
    """Leave rsyslog out, and say so, where it is not installed."""
    if "rsyslog" in clients and not (shutil.which("rsyslogd") and any(Path("/usr/lib").glob("**/rsyslog/imkafka.so"))):
        Console().print("rsyslog is left out: it needs Debian's rsyslog, rsyslog-kafka and rsyslog-elasticsearch")
        return [client for client in clients if client != "rsyslog"]
    return clients


def _serves(url: str) -> bool:
    try:
        return httpx.get(url).is_success
    except httpx.TransportError:
        return False


def _load(bootstrap: str, documents: int) -> str:
    topic = f"bench-{uuid.uuid4()}"
    admin = AdminClient({"bootstrap.servers": bootstrap})
    own = [NewTopic(f"{OWN}-{name}", 1, 1) for name in ("dead-letters", "progress", "outcomes")]
    for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1), *own]).values():
        future.result()
    # Not compressed: Faust's client reads the usual lz4 only with one more library.
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20})
    for number in range(documents):
        value = json.dumps({"id": number, "title": f"document {number}", "year": 2026, "body": PADDING})
        producer.produce(topic, key=str(number), value=value)
        if number % 1_000 == 0:
            producer.poll(0)
    assert producer.flush(60) == 0
    return topic


def _measure(bootstrap: str, url: str, topic: str, given: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    found: dict[str, list[dict[str, float]]] = {client: [] for client in given.clients}
    for _ in range(given.runs):
        for client in given.clients:
            command = [sys.executable, "-m", "tests.bench.clients", client, bootstrap, url, topic, str(given.documents)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
            found[client].append(json.loads(done.stdout.splitlines()[-1]))
    return found


def _show(found: dict[str, list[dict[str, float]]], documents: int) -> None:
    table = Table("client", "documents/s", "CPU-s / 100k", "RSS MB", "CPU-s of the start", "CPU, ratio to ours")
    ours = _median(found["ours"], "cpu") if "ours" in found else float("nan")
    for client, runs in found.items():
        cpu = _median(runs, "cpu")
        table.add_row(
            client,
            f"{documents / _median(runs, 'seconds'):,.0f}",
            f"{cpu / documents * 100_000:.2f}",
            f"{_median(runs, 'rss_mb'):.0f}",
            f"{_median(runs, 'start_cpu'):.1f}",
            f"{cpu / ours:.2f}",
        )
    Console().print(table)


def _median(runs: list[dict[str, float]], name: str) -> float:
    return statistics.median(run[name] for run in runs)


if __name__ == "__main__":
    main()
