"""The reader: a thread that looks at documents all the while and holds that none goes back in time.

Two rules, by key:

- *Floor.* A position that the stream has committed is in the index for good: whatever is seen afterwards is at least
  as new as the key's newest record before that position. No exception.
- *No fall.* A version once seen is not followed by an older one. The exception is a replay: from the kill of a
  streamer or of Elasticsearch until the commit of the key's partition has reached the log's end as it was at the
  kill. Elasticsearch forgets deletions when it dies, so a replay may show again what was deleted, until it has passed.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random

import httpx
from confluent_kafka import KafkaException

from tests.chaos.history import Fact, rank_of
from tests.chaos.writer import Writer, id_of
from tests.fixtures.elastic import Elastic, Json
from tests.fixtures.kafka import Kafka

PAUSE_S = 0.15
KEYS_A_LOOK = 40
SEARCH_EVERY = 5
"""Every fifth look is a search of everything, after a refresh; the others are real-time reads."""


@dataclass
class Look:
    """What was seen: versions by key, None for a document that is not there."""

    how: str
    seconds: float
    begun: int
    committed: Mapping[int, int]
    replays: frozenset[int]
    seen: Mapping[bytes, int | None]


@dataclass(frozen=True)
class Violation:
    """A state that was seen although the record of `rank` of the key was done, or had been seen, before."""

    key: bytes
    rank: int
    text: str


@dataclass
class Replay:
    """Partitions that may show older states until the commit has reached `until`."""

    until: dict[int, int]
    open: set[int] = field(default_factory=set)


class Inferences:
    """Adds up a counter that starts again from zero whenever a deployment does."""

    def __init__(self) -> None:
        self.total = self._last = 0

    def look(self, count: int) -> None:
        self.total += count - self._last if count >= self._last else count
        self._last = count


class Reader(threading.Thread):
    """Looks until it is ended; what it saw that may not be is in `violations`."""

    def __init__(self, kafka: Kafka, elastic: Elastic, writer: Writer, names: Names, choose: Random) -> None:
        super().__init__(name="reader", daemon=True)
        self.violations: dict[tuple[bytes, int], Violation] = {}
        """The first of each, by key and the rank that should have been there."""
        self.failure: BaseException | None = None
        self.trusting = True
        """Whether a commit says that what lies before it is done: not while a new topic is taken for the old one."""
        self.blind = False
        """Whether what can be seen means nothing: the index is taken away by hand."""
        self.inferences = Inferences()
        self.looks: Counter[str] = Counter()
        self._kafka, self._elastic, self._writer, self._choose = kafka, elastic, writer, choose
        self._names = names
        self._lock = threading.Lock()
        self._replays: list[Replay] = []
        self._pending: deque[Look] = deque()
        self._last: dict[tuple[str, bytes], int] = {}
        self._end, self._birth = threading.Event(), time.monotonic()

    def run(self) -> None:
        try:
            while not self._end.wait(PAUSE_S):
                self._turn()
        except BaseException as error:  # noqa: BLE001 - the run looks at it
            self.failure = error

    def replay(self, ends: Mapping[int, int]) -> None:
        """Say before a kill how far each partition may have got."""
        with self._lock:
            self._replays.append(Replay(dict(ends), set(ends)))

    def start_over(self, group: str) -> None:
        """Forget what was seen: everything is read once more, by another group, into a new index."""
        self._names = replace(self._names, group=group)
        self._pending.clear()
        self._replays.clear()
        self._last.clear()

    def end(self) -> None:
        self._end.set()
        self.join(150.0)
        assert not self.is_alive(), "the reader did not end"

    # --- looking

    def _turn(self) -> None:
        try:
            look = self._look()
        except (httpx.HTTPError, AssertionError, KafkaException, KeyError):
            # Something of the stack is down, or refuses: nothing was seen.
            self.looks["failed"] += 1
        else:
            self.looks[look.how] += 1
            self._pending.append(look)
        while self._pending and self._writer.finished >= self._pending[0].begun:
            self._judge(self._pending.popleft())

    def _look(self) -> Look:
        names = self._names
        committed = self._kafka.committed(names.group, names.topic) if self.trusting else {}
        replays = self._open_replays(committed)
        if sum(self.looks.values()) % SEARCH_EVERY:
            keys = self._some_keys()
            seen, how = self._get(keys), "get"
        else:
            seen, how = self._search(), "search"
        if not self.trusting:
            committed = {}
        look = Look(how, time.monotonic() - self._birth, self._writer.begun, committed, replays, seen)
        assert names is self._names, "it was told to start over while it looked"
        assert not self.blind, "the index was taken away while it looked"
        self.inferences.look(self._elastic.inferences(self._names.deployment))
        return look

    def _some_keys(self) -> list[bytes]:
        known = self._writer.history.documents()
        return self._choose.sample(known, min(KEYS_A_LOOK, len(known)))

    def _get(self, keys: list[bytes]) -> dict[bytes, int | None]:
        if not keys:
            return {}
        body: Json = {"ids": [id_of(key) for key in keys]}
        found = self._elastic.ask("POST", f"/{self._names.index}/_mget", body, _source="false")["docs"]
        assert not any("error" in entry for entry in found), found
        return {key: entry["_version"] if entry["found"] else None for key, entry in zip(keys, found, strict=True)}

    def _search(self) -> dict[bytes, int | None]:
        keys = self._writer.history.documents()
        found = self._elastic.documents(self._names.index)
        return {key: found[id_of(key)].version if id_of(key) in found else None for key in keys}

    def _open_replays(self, committed: Mapping[int, int]) -> frozenset[int]:
        """Return the partitions in which one is open, or was until this look."""
        with self._lock:
            still = {partition for replay in self._replays for partition in replay.open}
            for replay in self._replays:
                replay.open -= {number for number, end in replay.until.items() if committed.get(number, 0) >= end}
            self._replays = [replay for replay in self._replays if replay.open]
        return frozenset(still)

    # --- judging

    def _judge(self, look: Look) -> None:
        for key, version in look.seen.items():
            facts = self._writer.history.good(key)
            if facts:
                self._judge_one(look, facts, version)

    def _judge_one(self, look: Look, facts: list[Fact], version: int | None) -> None:
        record = facts[0].record
        key, partition = record.key or b"", record.partition
        floor = _floor(facts, look.committed)
        rank = rank_of(version) if version is not None else _rank_of_absence(facts, max(floor, self._seen(look, key)))
        what = f"{look.how} of {key!r} (partition {partition}) after {look.seconds:.1f} s: version {version}"
        if rank < floor:
            self._note(key, floor, f"{what}, but rank {floor} is committed: {dict(look.committed)}")
        elif rank < (seen := self._seen(look, key)) and partition not in look.replays:
            self._note(key, seen, f"{what}, but rank {seen} was seen before and nothing died")
        self._last[look.how, key] = rank

    def _note(self, key: bytes, rank: int, text: str) -> None:
        self.violations.setdefault((key, rank), Violation(key, rank, text))

    def _seen(self, look: Look, key: bytes) -> int:
        return self._last.get((look.how, key), 0)


@dataclass(frozen=True)
class Names:
    """What the reader looks at."""

    topic: str
    group: str
    index: str
    deployment: str


def _floor(facts: list[Fact], committed: Mapping[int, int]) -> int:
    """Return the rank of the newest record that is done; records of an older epoch were done before it ended."""
    epoch = facts[-1].epoch
    done = [
        fact for fact in facts if fact.epoch < epoch or fact.record.offset < committed.get(fact.record.partition, 0)
    ]
    return done[-1].rank if done else 0


def _rank_of_absence(facts: list[Fact], least: int) -> int:
    """Return the rank of the deletion that may have made it, at least `least`; 0 when there was none."""
    if least == 0:
        return 0
    return next((fact.rank for fact in facts if fact.deletes and fact.rank >= least), 0)
