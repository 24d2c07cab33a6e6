"""What is known of a partition while it is ours."""

from __future__ import annotations

import msgspec

from streamer.intake.decode import Decodes
from streamer.intake.timeline import Timeline


class Origin(msgspec.Struct, frozen=True):
    """A topic as this run knows it: its route, how to decode it, its incarnation and the epochs of that."""

    route: str
    decoder: Decodes
    topic_id: str
    timeline: Timeline


class Lease(msgspec.Struct, frozen=True):
    """A partition that is ours, under one assignment."""

    origin: Origin
    generation: int
