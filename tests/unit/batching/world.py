"""A stream for the books to live in: a log to deliver from, an index that obeys versions, and who is in flight."""

from collections import defaultdict
from itertools import groupby

import msgspec

from streamer.batching.batcher import Room
from streamer.batching.books import Books
from streamer.batching.unchanged import inferred
from streamer.intake.flow import Bounds
from streamer.model import LOOK_UP, PLAIN, Rejected, Result
from tests.fakes.clock import HandClock
from tests.unit.builders import LANE, P0, P1, record, write

PARTITIONS = (P0, P1)
LANES = (LANE, "other", PLAIN)
QUEUES = (*LANES, LOOK_UP)


class Entry(msgspec.Struct, frozen=True):
    """A record of the log; what is `poison` is refused by the index, what is `broken` cannot be decoded."""

    id: str
    lane: str
    size: int
    kind: str
    version: int
    unasked: bool = False


class World:
    def __init__(self, *, by_position):
        self.by_position = by_position
        self.books = Books(Bounds(1_000, 1_000_000), HandClock(), lambda: None)
        self.log = {partition: [] for partition in PARTITIONS}
        self.index = {}
        self.buried = set()
        self.flying = []
        self.asked = []
        self.burying = []
        self.generations = {}
        self.leaving = set()
        self.next = dict.fromkeys(PARTITIONS, 0)
        self.sent = defaultdict(set)

    def assign(self, partition):
        self.generations[partition] = self.books.assign(partition)

    def deliver(self, partition, entries):
        """Deliver what the log has next, or else append the next of `entries` to it, as many as those are."""
        writes = []
        for entry in entries:
            offset, log = self.next[partition], self.log[partition]
            if offset == len(log):
                log.append(entry)
            self.next[partition] = offset + 1
            taken = record(offset, b"x" * log[offset].size, log[offset].id.encode(), partition)
            if log[offset].kind == "broken":
                self.books.take(writes)
                writes = []
                self.reject(taken)
            else:
                writes.append(self.decoded(taken, log[offset]))
        self.books.take(writes)

    def reject(self, taken):
        generation = self.generations[taken.partition]
        self.books.reject(Rejected(taken, "unreadable", "broken"), "films", generation)
        self.burying.append((taken, generation))

    def decoded(self, taken, entry):
        fields = {"version": entry.version, "record": taken, "body": b"x" * entry.size}
        if entry.kind == "deletion":
            fields |= {"body": None}
        lane = PLAIN if entry.kind == "deletion" else entry.lane
        fields["unasked"] = entry.unasked and lane != PLAIN
        return write(taken.offset, entry.id, taken.partition, self.generations[taken.partition], lane, **fields)

    def form(self, lane, units, size):
        formed = self.books.form(lane, Room(units, size))
        assert all(one.lane == one.queue == lane for one in formed)
        assert len(formed) <= 1 or (
            sum(one.units for one in formed) <= units and sum(one.size for one in formed) <= size
        )
        for one in formed:
            self.fly(one)

    def ask(self, units):
        self.asked += self.books.ask(Room(units, 10_000))

    def answer(self, one, found):
        """Let the index answer: it has the tokens, it has not, or it cannot be asked now."""
        self.asked.remove(one)
        changed = {"lane": PLAIN, "inputs": 0, "unasked": False, "body": (one.body or b"") + b"tokens"}
        known = {"unchanged": msgspec.structs.replace(one, **changed), "changed": inferred(one), "later": one}
        self.books.answered(one, known[found])

    def fly(self, one):
        """Note that a write is sent: rising versions of a key within a generation, but for what was refused."""
        before = self.sent[one.key, one.partition, one.generation]
        assert not self.by_position or all(version <= one.version for version in before), (before, one)
        before.add(one.version)
        self.flying.append(one)

    def apply(self, one):
        """Do what the index does with an external version."""
        found = self.index.get(one.id, -1)
        self.index[one.id] = max(found, one.version)
        return Result.INDEXED if found < one.version else Result.REPEATED if found == one.version else Result.STALE

    def is_poison(self, one):
        return self.log[one.partition][one.record.offset].kind == "poison"

    def end(self, *ones):
        """Answer for writes in flight, as the index would."""
        for one in ones:
            self.flying.remove(one)
            if self.is_poison(one):
                self.unsend(one)
                self.buried.add((one.partition, one.record.offset))
                self.books.refused(one)
        for result, group in groupby((one for one in ones if not self.is_poison(one)), self.apply):
            self.books.succeeded(list(group), result)

    def unsend(self, one):
        self.sent[one.key, one.partition, one.generation].discard(one.version)

    def send_again(self, one, applied):
        """Refuse a write for now, or let its answer get lost."""
        if applied and not self.is_poison(one):
            self.apply(one)
        self.flying.remove(one)
        if not self.books.is_staying(one):
            self.books.abandon(one)
            return
        newer = self.books.renew(one)
        assert newer.lane in {one.lane, PLAIN}
        assert newer is one or newer.version > one.version
        if newer is one:
            self.flying.append(one)
        else:
            self.fly(newer)

    def bury(self, index):
        taken, generation = self.burying.pop(index)
        self.buried.add((taken.partition, taken.offset))
        self.books.rejected(taken, "films", generation)

    def leave(self, partition):
        self.books.leave([partition])
        self.leaving.add(partition)

    def fence(self, partition):
        """Give a partition up; the next owner begins at the position that was reached."""
        position = self.books.ledger[partition].position
        self.books.fence(partition)
        self.leaving.discard(partition)
        del self.generations[partition]
        if position is not None:
            self.next[partition] = position
        else:
            # Nothing was delivered in this generation: the commit before it stands.
            assert partition not in self.books.ledger

    def finish(self):
        """Give everything out and answer for everything."""
        for partition in self.leaving.copy():
            self.fence(partition)
        for partition in set(PARTITIONS) - set(self.generations):
            self.assign(partition)
        for partition, log in self.log.items():
            while self.next[partition] < len(log):
                self.deliver(partition, [None])
        while self.flying or self.burying or self.asked or any(self.books.waiting(lane) for lane in QUEUES):
            self.ask(3)
            for one in self.asked.copy():
                self.answer(one, "changed")
            for one in self.flying.copy():
                self.end(one) if self.books.is_staying(one) else self.send_again(one, applied=False)
            while self.burying:
                self.bury(0)
            for lane in LANES:
                self.form(lane, 3, 10_000)

    def done(self):
        """Yield the records that are completed in the present generations, with their places."""
        for partition in self.generations:
            undone = self.books.ledger[partition]._undone
            for offset in set(range(self.next[partition])) - undone:
                yield (partition, offset), self.log[partition][offset]

    def outstanding(self):
        """Yield the records that are not, in the present generations."""
        for partition in self.generations:
            for offset in self.books.ledger[partition]._undone:
                yield self.log[partition][offset]

    def is_kept(self, entry):
        """Whether `entry`, or a newer state of its document, is in the index or will be read again."""
        if self.index.get(entry.id, -1) >= entry.version:
            return True
        again = [entry for partition, log in self.log.items() for entry in log[self.committed(partition) :]]
        return any(one.id == entry.id and one.version >= entry.version for one in again)

    def committed(self, partition):
        position = self.books.ledger[partition].position if partition in self.generations else None
        return self.next[partition] if position is None else position

    @property
    def entries(self):
        return [entry for log in self.log.values() for entry in log]

    def newest(self):
        """Return the newest good record of each key."""
        good = [one for one in self.entries if one.kind in {"good", "deletion"}]
        return {one.id: one for one in sorted(good, key=lambda one: one.version)}
