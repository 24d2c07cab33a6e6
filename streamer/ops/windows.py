"""Outcomes summed in tumbling windows (pure).

A window of `size` seconds holds the events from `start` on and before `start + size`, and starts are multiples of the
size, counted from 1970, so that all instances and restarts cut time at the same points.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from streamer.errors import InputError

Json = dict[str, Any]
Counts = dict[str, int]

SEPARATOR = "|"  # neither a topic nor an index can have it in its name


class Outcome(msgspec.Struct, frozen=True):
    """What is read of an outcome event; its schema is `schemas/outcome.json`."""

    topic: str
    index: str
    results: Counts
    rejections: Counts = {}


class Window(msgspec.Struct, frozen=True):
    """The sums of one topic and index in one window; times are in milliseconds since 1970, rates in records a second.

    `closed` is false while events of the window can still come; its rates are over the time that has passed.
    """

    start_ms: int
    end_ms: int
    topic: str
    index: str
    results: Counts
    rejections: Counts
    records: int
    rate_per_s: float
    closed: bool


def key_of(outcome: Outcome) -> str:
    """Return what is summed together: topic and index."""
    return f"{outcome.topic}{SEPARATOR}{outcome.index}"


def sums(outcome: Outcome) -> dict[str, Counts]:
    """Return the counts of one event, as they are added and kept."""
    return {"results": dict(outcome.results), "rejections": dict(outcome.rejections)}


def added(one: Mapping[str, Counts], other: Mapping[str, Counts]) -> dict[str, Counts]:
    """Return the sums of both; either may be empty."""
    return {kind: _added(one.get(kind, {}), other.get(kind, {})) for kind in dict.fromkeys((*one, *other))}


def window(key: str, start_s: float, size_s: int, kept: Mapping[str, Counts], now_s: float) -> Window:
    """Return the window that begins at `start_s`, with the sums `kept` for `key`, as it is at `now_s`."""
    topic, _, index = key.partition(SEPARATOR)
    results = dict(kept.get("results", {}))
    records = sum(results.values())
    passed = min(float(size_s), now_s - start_s)
    return Window(
        start_ms=round(start_s * 1000),
        end_ms=round((start_s + size_s) * 1000),
        topic=topic,
        index=index,
        results=results,
        rejections=dict(kept.get("rejections", {})),
        records=records,
        rate_per_s=round(records / passed, 3) if passed > 0 else 0.0,
        closed=now_s >= start_s + size_s,
    )


def totals(windows: Iterable[Window]) -> Json:
    """Return the sums over `windows`, by topic and index."""
    found: dict[str, dict[str, Counts]] = {}
    for part in windows:
        key = f"{part.topic}{SEPARATOR}{part.index}"
        kept = {"results": part.results, "rejections": part.rejections}
        found[key] = added(found.get(key, {}), kept)
    return {key.replace(SEPARATOR, " -> "): kept for key, kept in sorted(found.items())}


def window_sizes(text: str) -> tuple[int, ...]:
    """Return the sizes in seconds in `10,60`. Raises InputError."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"the windows {text!r} are not whole seconds above 0 with commas between, for example 10,60")
    return tuple(sorted({int(part) for part in parts}))


def _added(one: Counts, other: Counts) -> Counts:
    return {name: one.get(name, 0) + other.get(name, 0) for name in dict.fromkeys((*one, *other))}
