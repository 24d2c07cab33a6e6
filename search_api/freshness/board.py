"""What is known of one index: how far each partition of its topics is indexed, and how far that is searchable (pure).

Three things come together: progress events, Kafka's topics as they are now, and the index as it is now. An event
counts only if it speaks of the topic that there is now (its id), and of the index that there is now (written after
that was created). Time is passed in, in monotonic seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from search_api.freshness.history import History
from search_api.freshness.log import Bounds, Log, Sample
from search_api.freshness.marks import Mark, Progress, end_of, joined
from search_api.freshness.position import Position
from streamer.model import Partition

MOST_INCARNATIONS = 3
"""Topic ids of one partition that are remembered: an event can come before Kafka was asked for the id."""

Marks = Mapping[Partition, Mark]
State = Literal[
    "pending", "indexed", "searchable", "lexical", "superseded", "dead_lettered", "done", "elsewhere", "beyond"
]
AHEAD: frozenset[State] = frozenset({"pending", "indexed", "beyond", "elsewhere"})
"""States that a search waits in."""


class Claim(msgspec.Struct, frozen=True):
    """What an answer says of a partition.

    Every record before `offset` is searchable, or ended otherwise; `lag` of those after it are not, as far as is known.
    `current_at`: every record that was in the log at that time is. None stands for unknown.
    """

    partition: Partition
    topic_id: str
    offset: int | None
    bounds: Bounds | None
    lag: int | None
    current_at: float | None


class Board:
    """What is known of the index behind `alias`, which `topics` fill."""

    def __init__(self, alias: str, topics: Iterable[str], delay: float) -> None:
        """Begin with nothing known; `delay` is how long a written document may take to be searchable by itself."""
        self.alias, self.topics, self.delay = alias, frozenset(topics), delay
        self.created_ms: int | None = None
        """When the index was created, in milliseconds since 1970; None before that was known."""
        self._is_known = False
        self._ids: dict[str, str] = {}
        self._logs: dict[Partition, Log] = {}
        self._histories: dict[Partition, dict[str, History]] = {}
        self._refreshed: dict[Partition, Mark] = {}

    # --- what is learned

    def index_is(self, created_ms: int, delay: float, now: float) -> None:
        """Learn when the index was created (milliseconds since 1970), and how long refreshing by itself may take."""
        self.delay, self._is_known = delay, True
        if created_ms == self.created_ms:
            return
        self.created_ms = created_ms
        self._refreshed.clear()
        for histories in self._histories.values():
            for topic_id, history in list(histories.items()):
                if history.latest.at_ms < created_ms:
                    del histories[topic_id]
                else:
                    history.begin_again(now)

    def index_is_unknown(self) -> None:
        """Learn that nobody can tell what the index is now: nothing is claimed until somebody can."""
        self._is_known = False

    def progressed(self, event: Progress, now: float) -> None:
        """Learn from an event; one of other topics or of another index is none of ours."""
        if event.topic not in self.topics or event.index not in {None, self.alias} or self._is_older(event):
            return
        histories = self._histories.setdefault(event.place, {})
        if event.topic_id in histories:
            histories[event.topic_id].learn(event, now, self.delay)
        else:
            histories[event.topic_id] = History(event, now)
        while len(histories) > MOST_INCARNATIONS:
            del histories[next(iter(histories))]

    def sampled(self, sample: Sample) -> None:
        """Learn what topics there are and where they end."""
        for topic in self.topics:
            topic_id = sample.topic_ids.get(topic)
            if topic_id != self._ids.get(topic):
                self._forget(topic)
            if topic_id is not None:
                self._ids[topic] = topic_id
        for place, bounds in sample.bounds.items():
            if place.topic in self._ids:
                self._logs.setdefault(place, Log()).learn(sample.at, bounds)

    def refreshed(self, marks: Marks, created_ms: int | None) -> None:
        """Learn that what was `indexed` when a refresh was asked for is searchable now.

        `created_ms` tells the index that it was asked for: what another one has shown says nothing of this one.
        """
        if created_ms != self.created_ms:
            return
        for place, mark in marks.items():
            before = self._refreshed.get(place)
            self._refreshed[place] = joined(before, mark) if before and before.topic_id == mark.topic_id else mark

    # --- what is known

    def topic_id(self, topic: str) -> str | None:
        """Return the id of a topic, None while it is not known."""
        return self._ids.get(topic)

    def has(self, place: Partition) -> bool:
        """Return whether a partition is known to exist."""
        return place in self._logs

    def indexed(self) -> Marks:
        """Return what is indexed, by partition."""
        return {place: history.mark for place, history in self._present()}

    def searchable(self, now: float) -> Marks:
        """Return what is searchable: refreshed, or indexed for so long that the index refreshed by itself."""
        marks = dict(self.proved())
        for place, history in self._present():
            mark = history.known_since(now - self.delay)
            if mark is not None:
                marks[place] = joined(marks[place], mark) if place in marks else mark
        return marks

    def proved(self) -> Marks:
        """Return what a refresh has made searchable."""
        known = self._refreshed.items() if self._is_known else ()
        return {place: mark for place, mark in known if self._ids.get(place.topic) == mark.topic_id}

    def next_searchable(self, now: float) -> float | None:
        """Return when more becomes searchable by itself."""
        times = [history.next_known(now - self.delay) for _, history in self._present()]
        return min((at + self.delay for at in times if at is not None), default=None)

    def claims(self, visible: Marks) -> list[Claim]:
        """Return what can be said of each partition, where `visible` is searchable."""
        return [self._claim(place, log, visible.get(place)) for place, log in sorted(self._logs.items())]

    def state(self, position: Position, visible: Marks) -> State:
        """Return what has become of a position, where `visible` is searchable.

        `elsewhere`: it is of another incarnation of the topic. `beyond`: no record has this offset yet, as of the last
        sample. `done`: searchable or not, which is not told any more.
        """
        place, offset = position.partition, position.offset
        if (position.topic_id or position.meant) not in {None, self._ids.get(place.topic)}:
            return "elsewhere"
        history = dict(self._present()).get(place)
        if history is None or offset not in history.mark:
            bounds = self._logs[place].bounds if place in self._logs else None
            return "beyond" if bounds is None or offset >= bounds.high else "pending"
        if place not in visible or offset not in visible[place]:
            return "indexed"
        ended: State | Literal["indexed"] = end_of(history.latest, offset)
        return "searchable" if ended == "indexed" else ended

    def _claim(self, place: Partition, log: Log, mark: Mark | None) -> Claim:
        topic_id, bounds = self._ids[place.topic], log.bounds
        if not self._is_known or bounds is None:
            return Claim(place, topic_id, None, bounds, None, None)
        if mark is None:
            # An empty partition has nothing that could be missing.
            empty = bounds.low == bounds.high
            return Claim(place, topic_id, None, bounds, 0 if empty else None, log.at if empty else None)
        return Claim(place, topic_id, mark.watermark, bounds, mark.missing(*bounds), log.current_at(mark.watermark))

    def _present(self) -> Iterable[tuple[Partition, History]]:
        if not self._is_known:
            return
        for place, histories in self._histories.items():
            history = histories.get(self._ids.get(place.topic, ""))
            if history is not None:
                yield place, history

    def _is_older(self, event: Progress) -> bool:
        return self.created_ms is not None and event.at_ms < self.created_ms

    def _forget(self, topic: str) -> None:
        self._ids.pop(topic, None)
        for place in [place for place in self._logs if place.topic == topic]:
            del self._logs[place]
