"""The streamer with a wall clock that a test can turn: `python -m tests.chaos.jumpy run ...`.

The file that `CHAOS_CLOCK` names holds the hours by which the clock is wrong; it is read whenever the time is asked.
"""

from __future__ import annotations

import os
from pathlib import Path

from streamer.cli import main
from streamer.clock import SystemClock

VARIABLE = "CHAOS_CLOCK"
MS_PER_HOUR = 3_600_000


def turn(file: Path) -> None:
    """Let every `SystemClock` of this process be as wrong as `file` says."""
    right = SystemClock.now_ms
    SystemClock.now_ms = lambda clock: right(clock) + int(float(file.read_text()) * MS_PER_HOUR)  # type: ignore[method-assign]


if __name__ == "__main__":
    turn(Path(os.environ[VARIABLE]))
    main()
