"""The project's formats as data: JSON Schemas of what it writes, and the Elasticsearch bodies that `setup` sends.

A schema lies in `<name>.json`, an Elasticsearch body in `elasticsearch/<name>.json`; each schema has `examples`.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

Json = dict[str, Any]


def schema(name: str) -> Json:
    """Return the JSON Schema `name` (`document`, `dead_letter`, ...). Raises FileNotFoundError for an unknown one."""
    return _read(f"{name}.json")


def body(name: str) -> Json:
    """Return the Elasticsearch body `name` (`index`, `state`, `pipeline`); each call returns a new object."""
    return _read(f"elasticsearch/{name}.json")


def names() -> list[str]:
    """Return the names of all JSON Schemas."""
    entries = (entry.name for entry in files(__name__).iterdir())
    return sorted(name.removesuffix(".json") for name in entries if name.endswith(".json"))


def _read(path: str) -> Json:
    content: Json = json.loads(files(__name__).joinpath(path).read_text(encoding="utf-8"))
    return content
