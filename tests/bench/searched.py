"""What `tests.bench.search` measures: 20,000 documents in an index, and the search service over it as a process."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from compose.local import ports
from compose.local.process import end_with_parent
from search_api.query import builder
from search_api.query.request import SearchRequest
from search_api.results import FILTER_PATH
from search_api.settings import Settings
from tests.fixtures.elastic import Elastic
from tests.fixtures.films import films
from tests.fixtures.toml import toml
from tests.fixtures.waiting import until

INDEX = "bench-search"
TEXTS = 5_000
COPIES = 4
QUERIES = 200
BULK = 500
REAL, TIMED = "bench-real", "bench-timed"
"""Deployments, and endpoints of the same names: the local encoder, and a model that only takes its time."""
MAPPING = {
    "properties": {
        "title": {"type": "text", "analyzer": "english"},
        "text": {"type": "text", "analyzer": "english"},
        "tokens": {"type": "sparse_vector"},
    }
}
Json = dict[str, Any]


def index(elastic: Elastic) -> None:
    """Index films, each so many times under ids of its own, with the tokens of the encoder."""
    elastic.start_deployment(REAL, model=".elser_model_2")
    elastic.start_deployment(TIMED)
    for name in (REAL, TIMED):
        elastic.attach_endpoint(name, name)
    elastic.ask("PUT", f"/{INDEX}", {"mappings": MAPPING, "settings": {"number_of_shards": 1}})
    given = films(TEXTS)
    tokens = elastic.tokens(REAL, [film["text"] for film in given])
    pairs = [
        (f"{film['id']}-{copy}", film, one) for copy in range(COPIES) for film, one in zip(given, tokens, strict=True)
    ]
    with httpx.Client(base_url=elastic.url, timeout=120) as http:
        for start in range(0, len(pairs), BULK):
            lines = [line for pair in pairs[start : start + BULK] for line in _lines(*pair)]
            content = "\n".join([*lines, ""])
            answer = http.post(f"/{INDEX}/_bulk", content=content, headers={"content-type": "application/x-ndjson"})
            assert answer.json()["errors"] is False, answer.text[:500]
    elastic.ask("POST", f"/{INDEX}/_forcemerge", None, max_num_segments="1")
    elastic.ask("POST", f"/{INDEX}/_refresh")


def _lines(document_id: str, film: Json, tokens: dict[str, float]) -> tuple[str, str]:
    document = {"title": film["title"], "text": film["text"], "year": film.get("year"), "tokens": tokens}
    return json.dumps({"index": {"_id": document_id}}), json.dumps(document)


def queries() -> list[str]:
    """Return the first words of texts that are in the index."""
    return [" ".join(re.findall(r"\w+", film["text"])[:7]) for film in films(QUERIES)]


@dataclass(frozen=True)
class Service:
    """The search service as a process."""

    port: int
    pid: int
    settings: Settings

    def ask(self, wanted: Json) -> Json:
        """Return the answer to a search."""
        answer = httpx.post(f"http://127.0.0.1:{self.port}/search", json=wanted, timeout=60)
        assert answer.is_success, answer.text
        found: Json = answer.json()
        return found

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has used."""
        return cpu_s(self.pid)


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def service(elastic: Elastic, folder: Path) -> Iterator[Service]:
    """Run the service with its usual settings: `real` and `timed` are the index with one endpoint and the other."""
    port, admin_port = ports.free(2)
    common = {"alias": INDEX, "semantic_field": "tokens", "lexical_fields": {"title": 1, "text": 1}}
    names = {"real": REAL, "timed": TIMED}
    given = {
        "listen": {"port": port},
        "admin": {"port": admin_port},
        "elasticsearch": {"urls": [elastic.url]},
        "indices": [{"name": name, "inference_endpoint": endpoint, **common} for name, endpoint in names.items()],
    }
    config = folder / "search-api.toml"
    config.write_text(toml(given))
    with (folder / "search-api.log").open("wb") as log:
        command = [sys.executable, "-m", "search_api", "--config", str(config)]
        process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=end_with_parent)  # noqa: PLW1509 - no threads
    try:
        made = Service(port, process.pid, Settings(**given))
        until(lambda: _serves(port), "the search service")
        yield made
    finally:
        process.terminate()
        process.wait()


def _serves(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    except httpx.TransportError:
        return False


def direct(running: Service, elastic: Elastic, texts: list[str]) -> tuple[str, list[str]]:
    """Return path and bodies of the requests that the service sends for these queries once it has their tokens."""
    index = running.settings.indices[0]
    tokens = elastic.tokens(REAL, texts)
    timeout = {"timeout": f"{running.settings.search.timeout_ms}ms"}
    bodies = [
        json.dumps(builder.body(SearchRequest(query=text, mode="semantic"), index, one) | timeout)
        for text, one in zip(texts, tokens, strict=True)
    ]
    return f"/{INDEX}/_search?filter_path={FILTER_PATH}&allow_partial_search_results=true", bodies


def through(texts: list[str], **wanted: object) -> list[str]:
    """Return the bodies of searches through the service."""
    return [json.dumps({"query": text, "mode": "semantic", **wanted}) for text in texts]


def machine() -> str:
    """Return what this was measured on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    load = "/".join(f"{one:.1f}" for one in os.getloadavg())
    return f"{os.cpu_count()} cores of {model[1] if model else 'an unknown machine'}, load before {load}"
