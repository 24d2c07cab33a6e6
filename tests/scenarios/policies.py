"""Who can play the client in a scenario, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from streamer.admission.limit import FixedLimit
from streamer.admission.little import LittleLimit
from streamer.settings import FlowSettings
from tests.scenarios.ideal import Ideal
from tests.scenarios.ours import Group
from tests.scenarios.peers import adaptive, sequential
from tests.scenarios.peers.peer import Peer, Peers
from tests.scenarios.server import Server
from tests.scenarios.source import Source


class Crowd(Protocol):
    """The instances of one policy in one play."""

    async def join(self, name: str, tasks: asyncio.TaskGroup) -> Any:
        """Add an instance and return it."""

    async def leave(self, member: Any, *, killed: bool) -> None:
        """Take an instance away."""

    def window(self) -> float:
        """Return the sum of what the instances allow themselves in flight."""

    def lost(self) -> int:
        """Return how many documents the instances hold for done that are not indexed."""


@dataclass(frozen=True)
class Policy:
    """A name, and how to make its crowd."""

    name: str
    clients: Callable[[Server, Source], Crowd]


def fixed(window: int) -> Policy:
    """Return our transport with a window that never changes; each instance has it."""
    return Policy(f"fixed {window}", lambda server, source: Group(server, source, lambda: FixedLimit(window)))


def _ours(server: Server, source: Source) -> Group:
    return Group(server, source, lambda: LittleLimit(FlowSettings().queue_delay_s))


def _peer(name: str, kind: type[Peer]) -> Policy:
    return Policy(name, partial(Peers, kind))


ALL = (
    Policy("ours", _ours),
    Policy("ideal", Ideal),
    _peer("streaming_bulk", sequential.StreamingBulk),
    _peer("streaming_bulk, 3 retries", sequential.StreamingBulkRetrying),
    _peer("Kafka Connect", sequential.KafkaConnect),
    _peer("Logstash", sequential.Logstash),
    _peer("Elastic connectors", sequential.ElasticConnectors),
    _peer("Vector ARC", adaptive.VectorArc),
    _peer("Vector ARC, partial retry", adaptive.VectorArcSeeing),
    _peer("Vector ARC, bulks of 50", adaptive.VectorArcSmall),
    _peer("Flink AIMD", adaptive.FlinkAimd),
    _peer("Gradient2", adaptive.Gradient2),
)
POLICIES = {one.name: one for one in ALL}


def policy_of(name: str) -> Policy:
    """Return the policy of a name; `fixed N` is our transport with N documents in flight. Raises KeyError."""
    kind, _, window = name.partition(" ")
    return fixed(int(window)) if kind == "fixed" else POLICIES[name]
