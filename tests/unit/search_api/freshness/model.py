"""A topic, a streamer and an index as they truly are, to hold claims against."""

from collections import defaultdict

from search_api.freshness.board import Board
from search_api.freshness.log import Bounds, Sample
from search_api.freshness.marks import Otherwise, Progress
from search_api.freshness.position import Position
from streamer.model import Partition

ALIAS, TOPIC, DELAY = "films", "films", 2.0
PARTITIONS = (Partition(TOPIC, 0), Partition(TOPIC, 1))
SHOWN = {"indexed", "lexical", "superseded"}


def event(watermark, done=(), place=PARTITIONS[0], topic_id="A", at_ms=1_000, **fields):
    """Return a progress event."""
    fields = {"index": ALIAS, "otherwise": Otherwise(0, ())} | fields
    return Progress(1, place.topic, place.number, topic_id, watermark, tuple(done), at_ms, **fields)


def sample(at, high, topic_id="A", low=0, places=PARTITIONS[:1]):
    return Sample(at, {TOPIC: topic_id}, dict.fromkeys(places, Bounds(low, high)))


class World:
    """Places are (topic id, partition, offset); time is in seconds, and in milliseconds for what writes down times."""

    def __init__(self):
        self.now = 100.0
        self.topic_id = "A"
        self.appended = defaultdict(list)
        self.low = defaultdict(int)
        self.done = defaultdict(dict)
        """Of the streamer that writes now: how each offset ended, by topic id and partition."""
        self.written = {}
        """What the index holds: when it was acknowledged."""
        self.forced = set()
        """What a refresh has shown."""
        self.ends = {}
        """How each place ended, whoever asks."""
        self.events = []
        self.refreshes = []
        self.samples = []
        self.created_ms = 0
        self.board = Board(ALIAS, [TOPIC], DELAY)
        self.board.index_is(0, DELAY, self.now)

    @property
    def now_ms(self):
        return int(self.now * 1_000)

    # --- what happens

    def append(self, partition):
        self.appended[self.topic_id, partition].append(self.now)

    def open_offsets(self, partition):
        done = self.done[self.topic_id, partition]
        return [offset for offset in range(len(self.appended[self.topic_id, partition])) if offset not in done]

    def complete(self, partition, offset, ended):
        self.done[self.topic_id, partition][offset] = ended
        place = (self.topic_id, partition, offset)
        self.ends[place] = ended
        if ended in SHOWN:
            self.written.setdefault(place, self.now)

    def publish(self, partition, told):
        done = self.done[self.topic_id, partition]
        watermark = next(offset for offset in range(len(done) + 1) if offset not in done)
        above = [(offset, offset) for offset in sorted(done) if offset > watermark]
        since = max(0, watermark - told)
        runs = [
            (offset, offset, ended) for offset, ended in sorted(done.items()) if ended != "indexed" and offset >= since
        ]
        told = Otherwise(since, tuple(runs))
        place = Partition(TOPIC, partition)
        self.events.append(event(watermark, above, place, self.topic_id, self.now_ms, otherwise=told))

    def hear(self, number):
        self.board.progressed(self.events[number], self.now)

    def begin_sample(self):
        self.samples.append((self.now, self.topic_id))

    def end_sample(self):
        at, topic_id = self.samples.pop(0)
        bounds = {}
        if topic_id == self.topic_id:
            for place in PARTITIONS:
                name = (topic_id, place.number)
                bounds[place] = Bounds(self.low[name], len(self.appended[name]))
        self.board.sampled(Sample(at, {TOPIC: self.topic_id}, bounds))

    def begin_refresh(self):
        self.refreshes.append((self.board.indexed(), self.board.created_ms, set(self.written)))

    def end_refresh(self):
        marks, created_ms, shown = self.refreshes.pop(0)
        if created_ms == self.board.created_ms:
            self.forced |= shown
        self.board.refreshed(marks, created_ms)

    def make_topic_again(self):
        self.topic_id = chr(ord(self.topic_id) + 1)

    def make_index_again(self, *, answers):
        """Somebody deletes the index, makes it anew and lets a group of another name read the topic from the start."""
        self.now += 0.002
        self.created_ms = self.now_ms
        self.look_at_index(answers=answers)
        self.now += 0.002
        self.written.clear()
        self.forced.clear()
        self.ends.clear()
        self.done.clear()

    def look_at_index(self, *, answers):
        if answers:
            self.board.index_is(self.created_ms, DELAY, self.now)
        else:
            self.board.index_is_unknown()

    # --- what is true

    def shows(self, place):
        """Return whether a search would find what became of a place."""
        if self.ends.get(place) == "dead_lettered":
            return True
        written = self.written.get(place)
        return place in self.forced or (written is not None and written <= self.now - DELAY)

    def check(self):
        """Hold everything that the board says against the truth."""
        visible = self.board.searchable(self.now)
        for claim in self.board.claims(visible):
            self._check_claim(claim)
        for (topic_id, partition), times in list(self.appended.items()):
            for offset in range(len(times) + 1):
                self._check_state(Position(Partition(TOPIC, partition), offset, topic_id), visible)

    def _check_claim(self, claim):
        name = (claim.topic_id, claim.partition.number)
        for offset, appended_at in enumerate(self.appended[name]):
            covered = claim.offset is not None and offset < claim.offset
            covered |= claim.current_at is not None and appended_at < claim.current_at and offset >= self.low[name]
            assert not covered or self.shows((*name, offset)), (claim, offset)

    def _check_state(self, position, visible):
        place = (position.topic_id, position.partition.number, position.offset)
        state = self.board.state(position, visible)
        if state in {"searchable", "lexical", "superseded", "dead_lettered"}:
            assert self.ends[place] == ("indexed" if state == "searchable" else state), (position, state)
        if state in {"searchable", "lexical", "superseded", "dead_lettered", "done"}:
            assert self.shows(place), (position, state)
        if state == "indexed":
            assert place in self.ends, position
