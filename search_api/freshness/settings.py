"""Settings of freshness."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from streamer.settings import Section


class FreshnessSettings(Section):
    """How answers tell how far the index has come, and how searches wait for it; all of it needs `kafka`."""

    progress: str = Field("streamer-progress", description="Topic of the streamer's progress events.")
    searchable_by: Literal["refresh", "interval"] = Field(
        "refresh",
        description="What makes sure that a position is searchable before a search that waits for it goes on: `refresh` "
        "asks for one (privilege `maintenance`), `interval` lets the index's refresh interval pass.",
    )
    refresh_every_s: float = Field(
        1.0, ge=0.1, le=60, description="Least time between two refreshes of an index; all who wait share them."
    )
    margin_s: float = Field(
        1.0, ge=0, le=60, description="Time beyond its refresh interval that an index is given to refresh by itself."
    )
    sample_every_s: float = Field(1.0, ge=0.1, le=60, description="Time between two looks at where the topics end.")
    wait_ms: int = Field(5_000, ge=0, le=60_000, description="Wait of a search that does not say how long.")
    longest_wait_ms: int = Field(30_000, ge=0, le=300_000, description="Longest wait that a search may ask for.")
    positions: int = Field(100, ge=1, le=10_000, description="Most positions in a request.")
    waiting: int = Field(500, ge=1, description="Most searches that wait at a time; more are refused.")
