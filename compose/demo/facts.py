"""What the demo asks of the running system, and what it must find."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson

from compose.demo.programs import FILMS, DemoError
from streamer.kafka.admin import Admin
from streamer.model import Partition
from streamer.settings import KafkaSettings

DATA = FILMS.parent / "data" / "films" / "docs.jsonl.gz"
TOPIC, GROUP, INDEX, DEPLOYMENT = "films", "streamer", "films", "for_ingest"


class Expected(msgspec.Struct, frozen=True):
    """What the file says: documents (distinct keys), and those with a text."""

    documents: int
    with_text: int


class Work(msgspec.Struct, frozen=True):
    """The deployment's work so far: inferences, milliseconds spent on them, rejections; and when it was read."""

    inferences: int
    milliseconds: float
    rejections: int
    at: float


def expected(path: Path = DATA) -> Expected:
    """Count the newest row of each key in the file."""
    with gzip.open(path) as lines:
        texts = {row["id"]: row.get("text") for row in map(orjson.loads, lines)}
    return Expected(len(texts), sum(1 for text in texts.values() if text and text.strip()))


class System:
    """The running system, seen from outside: Kafka's offsets, Elasticsearch's counts, the streamer's admin port."""

    def __init__(self, bootstrap_servers: str, elasticsearch_url: str, admin_port: int) -> None:
        """Look at the system behind these addresses."""
        self._admin = Admin(KafkaSettings(bootstrap_servers=bootstrap_servers))
        self._elastic = httpx.Client(base_url=elasticsearch_url, timeout=30)
        self._status = f"http://127.0.0.1:{admin_port}/status"

    def lag(self) -> int:
        """Return the records in the topic that are not committed."""
        count = self._admin.topics([TOPIC])[TOPIC].partitions
        partitions = [Partition(TOPIC, number) for number in range(count)]
        ends = self._admin.offsets(partitions, end=True)
        committed = self._admin.committed(GROUP, partitions)
        return sum(end - (committed[one].offset if one in committed else 0) for one, end in ends.items())

    def status(self) -> dict[str, Any] | None:
        """Return what the streamer says about itself; None while it starts."""
        try:
            answer: dict[str, Any] = httpx.get(self._status).raise_for_status().json()
        except httpx.TransportError:
            return None
        return answer

    def work(self) -> Work:
        """Return the ingest deployment's work so far."""
        path = f"/_ml/trained_models/{DEPLOYMENT}/_stats"
        model = self._elastic.get(path).raise_for_status().json()["trained_model_stats"][0]["deployment_stats"]
        nodes = model["nodes"]
        return Work(
            sum(node.get("inference_count", 0) for node in nodes),
            sum(node.get("inference_count", 0) * node.get("average_inference_time_ms", 0) for node in nodes),
            model.get("rejected_execution_count", 0),
            time.monotonic(),
        )

    def count(self, query: dict[str, Any] | None = None) -> int:
        """Return how many documents match, after a refresh."""
        self._elastic.post(f"/{INDEX}/_refresh").raise_for_status()
        body = {"query": query or {"match_all": {}}}
        return int(self._elastic.post(f"/{INDEX}/_count", json=body).raise_for_status().json()["count"])

    def close(self) -> None:
        """Close the connections."""
        self._elastic.close()


def verify(system: System, wanted: Expected) -> None:
    """Raise DemoError with every fact that is not as it must be."""
    status = system.status() or {"conservation_difference": "unknown", "rejections": "unknown"}
    tokens = {"exists": {"field": "text_embedding"}}
    facts = {
        "documents in the index": (system.count(), wanted.documents),
        "documents with tokens": (system.count(tokens), wanted.with_text),
        "lag": (system.lag(), 0),
        "conservation difference": (status["conservation_difference"], 0),
        "rejections seen by the streamer": (status["rejections"], 0),
        "rejections counted by the deployment": (system.work().rejections, 0),
    }
    wrong = [f"{name}: {found}, not {right}" for name, (found, right) in facts.items() if found != right]
    if wrong:
        raise DemoError("the demo is not as it must be: " + "; ".join(wrong))
