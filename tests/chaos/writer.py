"""The writer: a thread that goes on changing a few documents, and remembers everything that it sent."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from tests.chaos.history import Fact, History, Kind
from tests.fixtures.films import films, key_of
from tests.fixtures.kafka import Kafka

Json = dict[str, Any]
Change = tuple[bytes | None, bytes | None, Kind]

FILMS = 140
PAUSE_S = 0.1

LONG = b"x" * 600
ODD_KEYS = {
    b"a/b?c#d %20": "a/b?c#d %20",
    "Ünïcødé 電影".encode(): "Ünïcødé 電影",
    b"_id": "_id",
    b'"quoted"\n': '"quoted"\n',
    b"\xff\xfe": "~b64~" + base64.urlsafe_b64encode(b"\xff\xfe").rstrip(b"=").decode(),
    LONG: "~sha256~" + hashlib.sha256(LONG).hexdigest(),
}
"""Keys that are no plain words, with the ids that the rule gives them."""

UNDECODABLE = (b"no json", b'["a", "list"]', b'{"text": 17}', b"\xff\xfe\x00", b"", b'{"title": "half')
UNMAPPED = ({"year": "never"}, {"year": {"of": "grace"}})
PROPERTIES = {"year": {"type": "integer"}}
"""What the index must know so that UNMAPPED is refused."""

KINDS = {"text": 40, "rating": 22, "whole": 10, "empty": 7, "gone": 14, "undecodable": 3, "unmapped": 3, "keyless": 1}
"""Kinds of changes, and how many in a hundred."""


def documents() -> dict[bytes, Json]:
    """Return the documents by key, as they are at first."""
    given = {key_of(film): film for film in films(FILMS)}
    others = films(len(ODD_KEYS), start=2_000)
    return given | dict(zip(ODD_KEYS, others, strict=True))


def id_of(key: bytes) -> str:
    return ODD_KEYS.get(key) or key.decode()


class Changes:
    """Draws changes from a seed."""

    def __init__(self, choose: Random) -> None:
        self._choose, self._documents, self._number = choose, documents(), 0

    def first(self) -> list[Change]:
        return [(key, _json(value), Kind.GOOD) for key, value in self._documents.items()]

    def next(self) -> Change:
        self._number += 1
        key = self._choose.choice(list(self._documents))
        kind = self._choose.choices(list(KINDS), list(KINDS.values()))[0]
        film = self._documents[key]
        if kind == "undecodable":
            return key, self._choose.choice(UNDECODABLE), Kind.UNDECODABLE
        if kind == "keyless":
            return b"", _json(film), Kind.UNDECODABLE
        if kind == "unmapped":
            return key, _json(film | self._choose.choice(UNMAPPED)), Kind.UNMAPPED
        return key, self._good(kind, film), Kind.GOOD

    def _good(self, kind: str, film: Json) -> bytes | None:
        changed = {
            "text": {"text": f"{film['text']} Take {self._number}."},
            "rating": {"rating": self._number},
            "empty": {"text": ""},
            "whole": {},
        }
        return None if kind == "gone" else _json(film | changed[kind])

    def noise(self) -> Change:
        """Return random bytes under a key that has a document."""
        return self._choose.choice(list(self._documents)), b"\x00" + self._choose.randbytes(40), Kind.UNDECODABLE


class Writer(threading.Thread):
    """Sends `per_second` changes to a topic; what it could not send is in `failure`."""

    def __init__(self, kafka: Kafka, topic: str, changes: Changes, per_second: int) -> None:
        super().__init__(name="writer", daemon=True)
        self.kafka = kafka
        self.history, self.newest_epoch = History(), 1
        self._epoch_of: Callable[[int, int], int] = lambda _partition, _offset: 1
        self.failure: BaseException | None = None
        self.under_way = 0
        self.begun = self.finished = 0
        """How many times it sent; what was sent before `finished` reached `begun` of then is in the history."""
        self._topic, self._changes = topic, changes
        self._amount = max(1, round(per_second * PAUSE_S))
        self._extra: deque[list[Change]] = deque([changes.first()])
        self._end, self._go, self._idle = threading.Event(), threading.Event(), threading.Event()
        self._go.set()

    def run(self) -> None:
        try:
            while not self._end.wait(PAUSE_S):
                if self._go.is_set():
                    self._send()
                else:
                    self._idle.set()
        except BaseException as error:  # noqa: BLE001 - the run looks at it
            self.failure = error

    def ends(self) -> dict[int, int]:
        """Return how far each partition may reach by now: what is under way may all be in one of them."""
        return {number: end + self.under_way for number, end in list(self.history.ends.items())}

    def start_over(self) -> None:
        """Go on with a topic that was made again; asked while it pauses."""
        self.kafka.learn()
        self.history.ends.clear()
        epoch = self.newest_epoch = self.newest_epoch + 1
        self._epoch_of = lambda _partition, _offset: epoch

    def grow(self, boundary: dict[int, int], epoch: int) -> None:
        """Go on with more partitions, whose epoch is `epoch`; old ones have the one before from the boundary on."""
        self.kafka.learn()
        before, self.newest_epoch = self._epoch_of, epoch

        def epoch_of(partition: int, offset: int) -> int:
            if partition not in boundary:
                return epoch
            return epoch - 1 if offset >= boundary[partition] else before(partition, offset)

        self._epoch_of = epoch_of

    def corrupt(self, count: int) -> None:
        """Send so many records of random bytes next."""
        self._extra.append([self._changes.noise() for _ in range(count)])

    def pause(self) -> None:
        """Stop sending; when this returns, everything that was sent is acknowledged."""
        self._idle.clear()
        self._go.clear()
        assert self._idle.wait(60.0), "the writer did not come to rest"

    def go_on(self) -> None:
        self._go.set()

    def end(self) -> None:
        self._end.set()
        self.join(90.0)
        assert not self.is_alive(), "the writer did not end"

    def _send(self) -> None:
        changes = self._extra.popleft() if self._extra else [self._changes.next() for _ in range(self._amount)]
        self.begun, self.under_way = self.begun + 1, len(changes)
        sent = self.kafka.send(self._topic, [(key, value) for key, value, _ in changes])
        for record, (_, _, kind) in zip(sent, changes, strict=True):
            self.history.add(Fact(record, kind, self._epoch_of(record.partition, record.offset)))
        self.finished, self.under_way = self.finished + 1, 0


def _json(value: Json) -> bytes:
    return json.dumps(value).encode()
