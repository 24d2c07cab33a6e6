"""The whole stack as one value: started, stopped, and broken on purpose part by part."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from compose.local import build, elasticsearch_part, kafka_part, ports
from compose.local.build import Artifacts
from compose.local.errors import DataInUse, NotRunning
from compose.local.guard import running
from compose.local.kafka_part import KafkaSettings, Listener
from compose.local.process import Guard, Part

DEFAULT_DATA = build.OUTPUT / "data"
KAFKA_PORT = 9092
ELASTICSEARCH_PORT = 9200
LOCK_POLL_S = 0.05
CLEAN_UP_S = 15.0


class Stack:
    """Kafka and Elasticsearch on loopback, with their data in one folder.

    A port of 0 becomes a free one at the first start, and stays it also when a part is started again.
    `kafka_listeners` are ways in beside the plain one, for a proxy; `elasticsearch_settings` are node settings.
    Not for several threads at once.
    """

    def __init__(
        self,
        data: Path = DEFAULT_DATA,
        *,
        kafka_port: int = 0,
        elasticsearch_port: int = 0,
        kafka_listeners: tuple[Listener, ...] = (),
        elasticsearch_settings: dict[str, str] | None = None,
    ) -> None:
        self.data = data.resolve()
        self.kafka_port = kafka_port
        self.elasticsearch_port = elasticsearch_port
        self._listeners = kafka_listeners
        self._settings = elasticsearch_settings or {}
        self._parts: dict[str, Part] = {}
        self._undo = ExitStack()

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address, as clients take it."""
        return f"127.0.0.1:{self.kafka_port}"

    @property
    def elasticsearch_url(self) -> str:
        """Elasticsearch's address, as clients take it."""
        return f"http://127.0.0.1:{self.elasticsearch_port}"

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is to be running: none before the start and after the stop."""
        return tuple(self._parts.values())

    @property
    def kafka(self) -> Part:
        """The broker. Raises NotRunning when the stack is not up."""
        return self._part("kafka")

    @property
    def elasticsearch(self) -> Part:
        """The node, with its encoder processes. Raises NotRunning when the stack is not up."""
        return self._part("elasticsearch")

    def _part(self, name: str) -> Part:
        if name not in self._parts:
            raise NotRunning(name)
        return self._parts[name]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts both parts and waits until they serve, or leaves nothing running.

        Raises DataInUse, PortInUse, NotBuilt, JdkMissing, BuildFailed and PartFailed.
        """
        artifacts = build.artifacts()
        with ExitStack() as undo:
            guard = undo.enter_context(Guard(undo.enter_context(locked(self.data))))
            self._make_parts(artifacts, guard)
            undo.callback(self._stop_parts)
            for part in self.parts:
                part.launch()
            for part in self.parts:
                part.await_ready()
            self._write_addresses()
            self._undo = undo.pop_all()

    def stop(self) -> None:
        """Stops both parts in good order and gives the data folder free. Nothing when it is not up."""
        self._undo.close()

    def _make_parts(self, artifacts: Artifacts, guard: Guard) -> None:
        controller_port = self._choose_ports()
        settings = KafkaSettings(
            port=self.kafka_port,
            controller_port=controller_port,
            data=self.data / "kafka",
            listeners=self._listeners,
        )
        logs = self.data / "logs"
        logs.mkdir(exist_ok=True)
        # Elasticsearch first: it starts while Kafka's storage is formatted.
        self._parts = {
            "elasticsearch": Part(
                "elasticsearch",
                lambda: elasticsearch_part.command(
                    self.elasticsearch_port, self.data / "elasticsearch", artifacts, self._settings
                ),
                log=logs / "elasticsearch.log",
                guard=guard,
                ready=lambda timeout_s: elasticsearch_part.serves(self.elasticsearch_port, timeout_s),
            ),
            "kafka": Part(
                "kafka",
                lambda: kafka_part.prepare(settings, artifacts),
                log=logs / "kafka.log",
                guard=guard,
                ready=lambda timeout_s: kafka_part.serves(self.kafka_port, timeout_s),
            ),
        }

    def _choose_ports(self) -> int:
        """Fixes both ports and returns one for Kafka's controller. Raises PortInUse."""
        for port in filter(None, (self.kafka_port, self.elasticsearch_port)):
            ports.check(port)
        kafka, elasticsearch, controller = ports.free(3)
        self.kafka_port = self.kafka_port or kafka
        self.elasticsearch_port = self.elasticsearch_port or elasticsearch
        return controller

    def _write_addresses(self) -> None:
        addresses = {
            "bootstrap_servers": self.bootstrap_servers,
            "elasticsearch_url": self.elasticsearch_url,
            "pid": os.getpid(),
            "parts": {part.name: part.pid for part in self.parts},
        }
        (self.data / "stack.json").write_text(json.dumps(addresses, indent=2) + "\n")

    def _stop_parts(self) -> None:
        (self.data / "stack.json").unlink(missing_ok=True)
        for part in self.parts:
            part.terminate()
        for part in self.parts:
            part.stop()
        self._parts = {}


@contextmanager
def locked(data: Path) -> Iterator[int]:
    """Makes the folder and keeps other stacks out of it; yields the lock's file descriptor.

    A stack whose launcher was killed lets go when its guard has cleaned up, so that is waited for. Raises DataInUse.
    """
    data.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + CLEAN_UP_S
    with (data / "lock").open("a+") as lock:
        while not _try_lock(lock):
            lock.seek(0)
            owner = lock.read().strip()
            if (owner.isdigit() and running(int(owner))) or time.monotonic() > deadline:
                raise DataInUse(data, f"process {owner}")
            time.sleep(LOCK_POLL_S)
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield lock.fileno()


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
