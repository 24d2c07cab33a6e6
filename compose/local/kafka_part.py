"""Apache Kafka as a single broker and controller: its properties, its storage, its command, its readiness."""

from __future__ import annotations

import base64
import logging
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from compose.local.build import Artifacts
from compose.local.errors import BuildFailed

JVM = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    # Every configuration is printed in full otherwise: thousands of lines a start.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config=warn",
)
SILENT = logging.getLogger("compose.local.kafka.probe")
SILENT.addHandler(logging.NullHandler())
SILENT.propagate = False


@dataclass(frozen=True, slots=True)
class Listener:
    """One more way in: bound to `port`, telling clients to come back on `advertised_port` (a proxy's)."""

    name: str
    port: int
    advertised_port: int


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """What differs between two local brokers. Session timeouts in milliseconds, far below Kafka's defaults.

    `session_timeout_ms` is what the broker sets for the consumer protocol (KIP-848, default 45 s, minimum 45 s);
    `least_session_timeout_ms` is how low a classic consumer may ask, and a group's own settings may go.
    """

    port: int
    controller_port: int
    data: Path
    session_timeout_ms: int = 6000
    heartbeat_interval_ms: int = 1000
    least_session_timeout_ms: int = 1000
    least_heartbeat_interval_ms: int = 100
    listeners: tuple[Listener, ...] = ()


def properties(settings: KafkaSettings) -> dict[str, str]:
    """server.properties. Names and defaults: Kafka 4.4, `kafka.server.KafkaConfig` and `GroupCoordinatorConfig`."""
    return {**_network(settings), **_groups(settings), **_storage(settings)}


def _network(settings: KafkaSettings) -> dict[str, str]:
    controller = f"127.0.0.1:{settings.controller_port}"
    extra = settings.listeners
    bound = [f"PLAINTEXT://127.0.0.1:{settings.port}", *(f"{it.name}://127.0.0.1:{it.port}" for it in extra)]
    told = [f"PLAINTEXT://127.0.0.1:{settings.port}", *(f"{it.name}://127.0.0.1:{it.advertised_port}" for it in extra)]
    names = ["PLAINTEXT", "CONTROLLER", *(it.name for it in extra)]
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "listeners": ",".join([*bound, f"CONTROLLER://{controller}"]),
        "advertised.listeners": ",".join([*told, f"CONTROLLER://{controller}"]),
        "listener.security.protocol.map": ",".join(f"{name}:PLAINTEXT" for name in names),
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "controller.quorum.bootstrap.servers": controller,
        # A broker that was killed comes back when its old session has expired: after 9 s by default.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
    }


def _groups(settings: KafkaSettings) -> dict[str, str]:
    return {
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": str(settings.least_session_timeout_ms),
        "group.consumer.session.timeout.ms": str(settings.session_timeout_ms),
        "group.consumer.min.session.timeout.ms": str(settings.least_session_timeout_ms),
        "group.consumer.heartbeat.interval.ms": str(settings.heartbeat_interval_ms),
        "group.consumer.min.heartbeat.interval.ms": str(settings.least_heartbeat_interval_ms),
        # By default a group's assignments are computed at most once a second.
        "group.consumer.assignment.interval.ms": "0",
    }


def _storage(settings: KafkaSettings) -> dict[str, str]:
    return {
        "log.dirs": str(settings.data),
        "auto.create.topics.enable": "false",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }


def render(values: dict[str, str]) -> str:
    """The text of a .properties file; a backslash is its escape character."""
    return "".join(f"{key}={value.replace(chr(92), chr(92) * 2)}\n" for key, value in values.items())


def prepare(settings: KafkaSettings, artifacts: Artifacts) -> list[str]:
    """Writes server.properties, formats the storage the first time, and returns the broker's command.

    Raises NotBuilt and BuildFailed.
    """
    settings.data.mkdir(parents=True, exist_ok=True)
    file = settings.data.with_suffix(".properties")
    file.write_text(render(properties(settings)))
    java = [str(artifacts.jdk.java), *JVM, "-cp", artifacts.kafka_class_path]
    if not (settings.data / "meta.properties").exists():
        _format(java, file)
    return [*java, "kafka.Kafka", str(file)]


def _format(java: list[str], file: Path) -> None:
    """A cluster id is a UUID in base64url (Kafka, `Uuid.toString`); one that starts with a dash is no argument."""
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "_")
    command = [*java, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file), "--standalone"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise BuildFailed("formatting Kafka's storage", done.stdout)


def serves(port: int, timeout_s: float) -> bool:
    """Whether the broker answers with metadata that contains itself, asked for at most a second."""
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0}, logger=SILENT)
    try:
        return bool(admin.list_topics(timeout=min(timeout_s, 1.0)).brokers)
    except KafkaException:
        return False
