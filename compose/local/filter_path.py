"""Elasticsearch's `filter_path`: which parts of an answer are returned.

Comma-separated dotted paths; `*` matches within one name, `**` any number of names, a leading `-` leaves out instead.
Arrays are passed through, and what becomes empty is dropped (Elasticsearch reference, "Response filtering").
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

Steps = tuple[str, ...]


class FilterPath:
    """The filter of one `filter_path` parameter; an empty one changes nothing."""

    def __init__(self, parameter: str) -> None:
        paths = [path.strip() for path in parameter.split(",") if path.strip()]
        self._kept = [tuple(path.split(".")) for path in paths if not path.startswith("-")]
        self._dropped = [tuple(path[1:].split(".")) for path in paths if path.startswith("-")]

    def apply(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What is left of an answer."""
        kept = _keep(answer, self._kept) if self._kept else answer
        return _drop(kept, self._dropped) if self._dropped else kept


def _keep(value: Any, paths: list[Steps]) -> Any:  # noqa: ANN401 - any JSON
    """The part of a value that the paths lead to; an empty container, or None, when there is none."""
    if any(not steps or steps == ("**",) for steps in paths):
        return value
    if isinstance(value, dict):
        parts = {name: _keep(part, below) for name, part in value.items() if (below := _enter(paths, name))}
        return {name: part for name, part in parts.items() if not _empty(part)}
    if isinstance(value, list):
        return [part for part in (_keep(part, paths) for part in value) if not _empty(part)]
    return None


def _drop(value: Any, paths: list[Steps]) -> Any:  # noqa: ANN401 - any JSON
    """A value without the parts that the paths lead to."""
    if isinstance(value, dict):
        below = {name: _enter(paths, name) for name in value}
        return {name: _drop(part, below[name]) for name, part in value.items() if () not in below[name]}
    if isinstance(value, list):
        return [_drop(part, paths) for part in value]
    return value


def _enter(paths: list[Steps], name: str) -> list[Steps]:
    """What is left of the paths below `name`; an empty path has arrived."""
    below: list[Steps] = []
    for steps in paths:
        if steps[:1] == ("**",):
            below += [steps, *_enter([steps[1:]], name)]
        elif steps and fnmatchcase(name, steps[0]):
            below.append(steps[1:])
    return below


def _empty(value: Any) -> bool:  # noqa: ANN401 - any JSON
    return value is None or value in ({}, [])
