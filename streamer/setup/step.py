"""What `setup` reports while it works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

State = Literal["created", "exists", "started", "waiting"]


class Step(msgspec.Struct, frozen=True):
    """One resource and what became of it; `waiting` is told again and again until the last word."""

    what: str
    name: str
    state: State
    detail: str = ""

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.what} {self.name}: {self.state}" + (f" ({self.detail})" if self.detail else "")


Say = Callable[[Step], None]
