"""Who can play the client in a scenario, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from streamer.admission.limit import FixedLimit
from streamer.admission.little import LittleLimit
from streamer.settings import FlowSettings
from tests.scenarios.ideal import Ideal
from tests.scenarios.ours import Group
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
    """A name, where it comes from, and how to make its crowd."""

    name: str
    what: str
    clients: Callable[[Server, Source], Crowd]


def fixed(window: int) -> Policy:
    """Return our transport with a window that never changes, shared by the instances."""
    return Policy(
        f"fixed {window}",
        f"our transport with {window} documents in flight, whatever happens",
        lambda server, source: Group(server, source, lambda: FixedLimit(window)),
    )


OURS = Policy(
    "ours",
    "the streamer as it is",
    lambda server, source: Group(server, source, lambda: LittleLimit(FlowSettings().queue_delay_s)),
)
IDEAL = Policy("ideal", "sees inside the server: fills each allocation the moment it is free", Ideal)

POLICIES = {one.name: one for one in (OURS, IDEAL)}


def policy_of(name: str) -> Policy:
    """Return the policy of a name; `fixed N` is our transport with N documents in flight. Raises KeyError."""
    kind, _, window = name.partition(" ")
    return fixed(int(window)) if kind == "fixed" else POLICIES[name]
