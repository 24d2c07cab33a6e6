"""Dead letters to look at."""

import orjson

from streamer.delivery.deadletter import Origin, Reason, envelope
from streamer.model import Partition
from streamer.tools.letters import letter_of
from tests.unit.builders import record

NOW = 1_764_000_000_000
DEAD = Partition("streamer-dead-letters", 0)


def value(taken=None, *, at_ms=NOW, document_id="k", reason="unreadable", detail="why 17"):
    made = envelope(taken or record(), Reason(reason, detail, "intake"), Origin("films", "tid", 1, document_id))
    return made | {"at_ms": at_ms, "instance": "one"}


def letter(key=b"own", **fields):
    return letter_of(record(17, orjson.dumps(value(**fields)), key, DEAD))
