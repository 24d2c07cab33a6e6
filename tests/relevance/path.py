"""The whole path for judged collections: files, Kafka, the encoder, indices, and out of the search service."""

import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from compose.local import ports
from compose.local.stack import Stack
from streamer.settings import TopicSettings
from tests.fixtures.kafka import Kafka
from tests.fixtures.program import Running, streamer
from tests.fixtures.toml import toml
from tests.fixtures.waiting import until
from tests.relevance.judged import Collection

FILMS = Path(__file__).parents[2] / "compose" / "films"
INDEXED_S = 900.0
SERVING_S = 60.0
DEPTH = 10
Json = dict[str, Any]


def streamer_settings(stack: Stack) -> Json:
    """Return the films' own settings, with a route for NovelEval beside theirs."""
    settings = tomllib.loads((FILMS / "streamer.toml").read_text())
    text = {"type": "text", "analyzer": "english"}
    noveleval = {
        "name": "noveleval",
        "topics": ["noveleval"],
        "index": "noveleval",
        "deployment": "for_ingest",
        "inference": [{"input": "text", "output": "text_embedding"}],
        "properties": {"id": {"type": "keyword"}, "title": text, "text": text},
    }
    return settings | {
        "kafka": {"bootstrap_servers": stack.bootstrap_servers, "group_id": "relevance"},
        "elasticsearch": {"urls": [stack.elasticsearch_url]},
        "state_index": "relevance-state",
        "topics": {
            name: f"relevance-{name}" for name, one in TopicSettings.model_fields.items() if one.annotation is str
        },
        "admin": {"port": 0},
        "log": {"format": "json"},
        "routes": [*settings["routes"], noveleval],
    }


def search_settings(stack: Stack, port: int, admin_port: int) -> Json:
    """Return the films' own settings, with NovelEval as a second index."""
    settings = tomllib.loads((FILMS / "search-api.toml").read_text())
    noveleval = {
        "name": "noveleval",
        "alias": "noveleval",
        "inference_endpoint": "for_search",
        "lexical_fields": {"title": 1, "text": 1},
    }
    return settings | {
        "elasticsearch": {"urls": [stack.elasticsearch_url]},
        "listen": {"port": port},
        "admin": {"port": admin_port},
        "indices": [*settings["indices"], noveleval],
        # A busy machine must not make answers poorer.
        "search": {"timeout_ms": 40_000, "inference_timeout_ms": 20_000},
        "expansion": {"budget_ms": 20_000},
    }


def index(stack: Stack, kafka: Kafka, folder: Path, collections: Mapping[str, Collection]) -> None:
    """Bring each collection into the index of its name, and wait until all of it is committed."""
    config = folder / "streamer.toml"
    config.write_text(toml(streamer_settings(stack)))
    _must("setup", config=config)
    for name, collection in collections.items():
        _must("load", str(collection.documents), "--topic", name, "--key", "id", config=config)
    running = Running(config, folder / "streamer.log")
    try:
        for name in collections:
            until(lambda name=name: _done(running, kafka, name), f"{name} in its index", timeout_s=INDEXED_S)
        running.terminate()
        assert running.wait() == 0
    finally:
        running.close()


def _must(*arguments: str, config: Path) -> None:
    done = streamer(*arguments, config=config)
    assert done.returncode == 0, done.stdout + done.stderr


def _done(running: Running, kafka: Kafka, topic: str) -> bool:
    assert running.status()["rejections"] == 0
    return kafka.committed("relevance", topic) == kafka.ends(topic)


@contextmanager
def search_service(stack: Stack, folder: Path) -> Iterator[httpx.Client]:
    """Run the search service over the indices."""
    port, admin_port = ports.free(2)
    config = folder / "search-api.toml"
    config.write_text(toml(search_settings(stack, port, admin_port)))
    with (folder / "search-api.log").open("wb") as log:
        command = [sys.executable, "-m", "search_api", "--config", str(config)]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            until(lambda: _serves(client), "the search service", timeout_s=SERVING_S)
            yield client
    finally:
        process.terminate()
        process.wait()


def _serves(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


def ranking(client: httpx.Client, index_name: str, query: str, mode: str) -> list[str]:
    """Return the ids of the best documents, best first."""
    body = {"index": index_name, "query": query, "mode": mode, "size": DEPTH}
    answer = client.post("/search", json=body)
    assert answer.is_success, answer.text
    assert "degraded" not in answer.json()
    return [hit["id"] for hit in answer.json()["hits"]]
