"""What travels through the program: records, writes and what became of them."""

from __future__ import annotations

import enum
from typing import NamedTuple

import msgspec

RESERVED = "_streamer"
"""Name of the one object that the streamer adds to each document; never part of a search answer."""

SCHEMA_VERSION = 1
"""Version of the reserved object and of the state index; a newer one than this is refused."""


PLAIN = "_plain"
"""The lane of what needs no inference; no deployment can have this name."""

LOOK_UP = "_look_up"
"""The queue of what the index is asked about before it is known which lane it goes in."""

REDRIVE, BACKLOG = "_redrive", "_backlog"
"""Stand for a route where records of the redrive or backlog topic have none; no route can have these names."""


class Partition(NamedTuple):
    """A topic's partition."""

    topic: str
    number: int

    def __str__(self) -> str:
        """Return `topic-number`, as Kafka's own tools print it."""
        return f"{self.topic}-{self.number}"


class Record(msgspec.Struct, frozen=True, gc=False):
    """A Kafka record as it was delivered; `timestamp_ms` is the record's own, in milliseconds since 1970."""

    partition: Partition
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of key and value; what the record holds of the memory budget."""
        return len(self.key or b"") + len(self.value or b"")


class Rejected(msgspec.Struct, frozen=True):
    """A record that can never be indexed: `reason` is a word for counting, `detail` a sentence for people.

    `via` is the record that brought it, when that is another one (see `Write`).
    """

    record: Record
    reason: str
    detail: str
    via: Record | None = None

    @property
    def carrier(self) -> Record:
        """The record that was taken from Kafka for it."""
        return self.via or self.record


class Write(msgspec.Struct, gc=False):
    """What is to happen to one document: index it with `body`, or delete it when `body` is None.

    `body` is the JSON object without the reserved one. `inputs` counts the texts to infer: queue slots at the
    deployment. `lane` is the window that it passes: the deployment's name, or PLAIN. `generation` is the assignment
    under which the record was taken. `record` is the document's own; `via` is the record that brought it, when that is
    another one: of the redrive or the backlog topic. `attempts` counts how often it was sent and not done, `deaths` how
    often the encoder's process died over it; `lexical` is the form without tokens of a document that has text, `owed`
    one whose lexical form is indexed: it comes from the backlog and goes last. `unasked` says that the index may hold
    the tokens of its texts and was not asked yet.
    """

    route: str
    record: Record
    id: str
    version: int
    epoch: int
    generation: int
    body: bytes | None
    lane: str = PLAIN
    inputs: int = 0
    text_hash: str = ""
    attempts: int = 0
    deaths: int = 0
    lexical: bool = False
    owed: bool = False
    unasked: bool = False
    via: Record | None = None

    @property
    def key(self) -> tuple[str, str, bool]:
        """What is coalesced and kept in order: route and document id.

        What is owed is apart: a new state must not wait for it while inference is down; versions keep them in order.
        """
        return (self.route, self.id, self.owed)

    @property
    def carrier(self) -> Record:
        """The record that was taken from Kafka for it: what is outstanding until the write is done."""
        return self.via or self.record

    @property
    def partition(self) -> Partition:
        """Where the carrier came from."""
        return self.carrier.partition

    @property
    def queue(self) -> str:
        """Where it waits to go on."""
        return LOOK_UP if self.unasked else self.lane

    @property
    def units(self) -> int:
        """What the write takes of its lane's window: its inputs, or one where there are none."""
        return self.inputs or 1

    @property
    def size(self) -> int:
        """Bytes on the way to Elasticsearch, without the action line."""
        return len(self.body or b"")


class Result(enum.Enum):
    """The terms of the conservation law: how a consumed record can end."""

    INDEXED = "indexed"
    LEXICAL = "lexical"
    UNCHANGED = "unchanged"
    NO_TEXT = "no_text"
    SUPERSEDED = "superseded"
    STALE = "stale"
    REPEATED = "repeated"
    DELETED = "deleted"
    DEAD_LETTERED = "dead_lettered"
    HANDED_OVER = "handed_over"
