"""Elasticsearch with the local ML node: its command and its readiness."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path

from compose.local.build import Artifacts

JVM = ("-Xmx1g", "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED", "--add-modules", "jdk.incubator.vector")
WORKER = Path(__file__).parent / "encoder" / "worker.py"


def command(port: int, data: Path, artifacts: Artifacts, settings: dict[str, str] | None = None) -> list[str]:
    """The node's command; `settings` are node settings beyond those of every local node. Raises NotBuilt."""
    given = {
        "path.home": str(data),
        "http.port": str(port),
        "local_ml.encoder.command": json.dumps([sys.executable, str(WORKER)]),
        **(settings or {}),
    }
    java = [str(artifacts.jdk.java), *JVM, "-cp", artifacts.elasticsearch_class_path]
    return [*java, "localml.Main", *(f"{key}={value}" for key, value in given.items())]


def serves(port: int, timeout_s: float) -> bool:
    """Whether the node answers, its state is recovered (red before) and every index can be read and written."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=min(timeout_s, 5.0))
    try:
        connection.request("GET", "/_cluster/health?wait_for_status=yellow&timeout=1s")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
