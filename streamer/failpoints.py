"""Points at which a test can make the program die or fail; off, and next to free, unless the environment arms one.

`STREAMER_FAILPOINTS=NAME=kill` ends the process by SIGKILL when it comes to the point; `NAME=kill:1` when it comes
there for the second time, after one success. `error` in place of `kill` raises. Several are separated by commas.
A point is passed once a turn, batch or letter, never once a record.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping

import msgspec

from streamer import logs
from streamer.errors import FailpointReached, SettingsError

VARIABLE = "STREAMER_FAILPOINTS"

POINTS = {
    "assigned.before": "partitions are ours, nothing is known of them yet",
    "assigned.after": "partitions are taken on",
    "taken": "records are taken from Kafka, none is booked",
    "booked": "these records are booked",
    "batch.formed": "a batch has left the queue and is not with its courier",
    "bulk.before": "a request is about to be sent",
    "bulk.answered": "its answer is here and not read",
    "settle.before": "the answer is read, no write of the batch is completed",
    "settle.after": "every write of the batch that is done is completed",
    "letter.before": "a dead letter is about to be produced",
    "letter.acknowledged": "the dead letter is acknowledged, its record not completed",
    "commit.before": "offsets are about to be committed",
    "commit.after": "these offsets are committed",
    "progress.before": "progress is about to be published",
    "progress.after": "progress is handed to the producer",
    "revoked.before": "partitions are to be given up, nothing is finished",
    "revoked.after": "what was in flight is finished, nothing is committed",
    "lost.before": "partitions are another's, what was taken of them is still here",
    "lost.after": "the lost partitions are forgotten",
}
"""Every point, and where it lies."""

ARMING = re.compile(r"(?P<point>[\w.]+)=(?P<action>kill|error)(?::(?P<after>\d+))?")

log = logs.get("failpoints")


class Armed(msgspec.Struct):
    """What happens at a point, after it was passed `left` times."""

    action: str
    left: int


_armed: dict[str, Armed] = {}


def arm(environment: Mapping[str, str] = os.environ) -> None:
    """Arm what the environment names, and nothing else. Raises SettingsError for what is no point or no action."""
    _armed.clear()
    _armed.update(_read(environment.get(VARIABLE, "")))
    if _armed:
        log.warning("failpoints are armed: this process is made to fail", points=sorted(_armed))


def reach(point: str) -> None:
    """Pass `point`, or die there. Raises FailpointReached."""
    if _armed and point in _armed:
        _strike(point, _armed[point])


def _strike(point: str, armed: Armed) -> None:
    armed.left -= 1
    if armed.left >= 0:
        return
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise FailpointReached(f"the failpoint {point!r} was reached and is armed to raise")


def _read(text: str) -> Iterator[tuple[str, Armed]]:
    for entry in filter(None, (part.strip() for part in text.split(","))):
        found = ARMING.fullmatch(entry)
        if found is None:
            raise SettingsError(
                f"{VARIABLE} has {entry!r}: write POINT=kill, POINT=error, or one with :N passes before"
            )
        if found["point"] not in POINTS:
            raise SettingsError(f"{VARIABLE} names {found['point']!r}, which is no point: {', '.join(POINTS)}")
        yield found["point"], Armed(found["action"], int(found["after"] or 0))
