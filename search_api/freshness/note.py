"""What was known when a search was sent (pure): made before it is sent, and never changed after."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from search_api.freshness.board import AHEAD, Board, Claim, Marks, State
from search_api.freshness.position import Position, id_in_url

Basis = Literal["refreshed", "expected"]


class Note(msgspec.Struct, frozen=True):
    """Claims about each partition, as of `at` (monotonic seconds), and what has become of the positions asked for."""

    at: float
    basis: Basis
    claims: tuple[Claim, ...]
    positions: tuple[tuple[Position, State], ...]
    max_age: float | None = None
    waited_s: float = 0.0

    @property
    def age(self) -> float | None:
        """Everything that was in the topics so many seconds before is searchable; None: unknown."""
        times = [claim.current_at for claim in self.claims]
        known = [at for at in times if at is not None]
        return self.at - min(known) if known and len(known) == len(times) else None

    @property
    def stale(self) -> bool:
        """Whether this is less than was asked for."""
        too_old = self.max_age is not None and (self.age is None or self.age > self.max_age)
        return too_old or any(state in AHEAD for _, state in self.positions)

    def told(self, sent: float) -> dict[str, Any]:
        """Return what an answer says, to a search that was sent at `sent`: times go on until then."""
        age = self.age
        return {
            "stale": self.stale,
            "age_s": None if age is None else _seconds(age + sent - self.at),
            "waited_ms": round(self.waited_s * 1_000, 1),
            "searchable": self.basis,
            "partitions": [_partition(claim, sent) for claim in self.claims],
            "positions": [{"position": str(position), "state": state} for position, state in self.positions],
        }


def _partition(claim: Claim, sent: float) -> dict[str, Any]:
    lag_s = None if claim.current_at is None else sent - claim.current_at
    return {
        "topic": claim.partition.topic,
        "partition": claim.partition.number,
        "topic_id": id_in_url(claim.topic_id),
        "offset": claim.offset,
        "end": claim.bounds.high if claim.bounds else None,
        "lag": claim.lag,
        "lag_s": 0.0 if claim.lag == 0 else _seconds(lag_s),
    }


def note(
    board: Board,
    now: float,
    visible: Marks,
    *,
    sure: Marks | None = None,
    positions: tuple[Position, ...] = (),
    max_age: float | None = None,
) -> Note:
    """Return what `board` knows now, where `visible` is searchable; positions are held against `sure`, if given."""
    basis: Basis = "refreshed" if visible and visible == board.proved() else "expected"
    states = tuple((position, board.state(position, visible if sure is None else sure)) for position in positions)
    return Note(now, basis, tuple(board.claims(visible)), states, max_age)


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(max(0.0, value), 3)
