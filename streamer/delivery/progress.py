"""Events for others: how far each partition is indexed, and what became of the records. Built here, sent by post."""

from __future__ import annotations

from collections import Counter
from itertools import count, islice
from typing import Any, Protocol

import orjson

from streamer import failpoints
from streamer.clock import Clock
from streamer.delivery.report import Parts
from streamer.model import Partition
from streamer.settings import TopicSettings

PROGRESS_SECONDS = 0.2
"""How often progress is told: who waits for a position waits half as long for this."""
OUTCOMES_EVERY = 5
"""How often outcomes are told, in turns of progress: once a second."""
MOST_RANGES = 100
"""Ranges in one event; of more, those nearest to the watermark are told."""

Json = dict[str, Any]
Tally = Counter[tuple[str, str, str]]
"""Counts by route, topic and word (a result or the reason of a refusal)."""


class Post(Protocol):
    """Where events go; see `kafka.producer.Producer.post`."""

    def post(self, topic: str, key: bytes | None, value: bytes) -> None:
        """Produce without waiting."""


class Publisher:
    """Publishes progress (schemas/progress.json) and outcomes (schemas/outcome.json): what changed since last time."""

    def __init__(self, post: Post, topics: TopicSettings, instance: str, parts: Parts, clock: Clock) -> None:
        """Post to `topics` what `parts` did, in the name of `instance`."""
        self._post, self._topics, self._instance, self._clock = post, topics, instance, clock
        self._parts = parts
        self._published: dict[Partition, Json] = {}
        self._results = Tally()
        self._rejections = Tally()

    async def run(self) -> None:
        """Publish until cancelled."""
        for turn in count(1):
            await self._clock.sleep(PROGRESS_SECONDS)
            self._publish_progress()
            if turn % OUTCOMES_EVERY == 0:
                self._publish_outcomes()

    def publish(self) -> None:
        """Post the progress of each partition that moved, and the outcomes of each topic that had any.

        What was rejected from the redrive or the backlog topic belongs to no route and no index: no outcome names it.
        """
        self._publish_progress()
        self._publish_outcomes()

    def _publish_progress(self) -> None:
        failpoints.reach("progress.before")
        progress = {partition: self._progress(partition, at) for partition, at in self._parts.desk.positions().items()}
        for partition, body in progress.items():
            if self._published.get(partition) != body:
                self._event(self._topics.progress, f"{partition.topic}:{partition.number}", body)
        self._published = progress
        failpoints.reach("progress.after")

    def _publish_outcomes(self) -> None:
        results, rejections = _tally(self._parts), self._parts.courier.rejections.copy()
        fresh, refused = results - self._results, rejections - self._rejections
        self._results, self._rejections = results, rejections
        for route, topic in sorted({name[:2] for name in (*fresh, *refused) if name[0] in self._parts.routes}):
            outcome = {
                "route": route,
                "topic": topic,
                "index": self._parts.routes[route].index,
                "results": _of(fresh, route, topic),
                "rejections": _of(refused, route, topic),
            }
            self._event(self._topics.outcomes, route, outcome)

    def _progress(self, partition: Partition, position: int) -> Json:
        origin, books = self._parts.desk.leases[partition].origin, self._parts.books
        route, endings = self._parts.routes.get(origin.route), books.endings[partition]
        return {
            "topic": partition.topic,
            "partition": partition.number,
            "topic_id": origin.topic_id,
            "epoch": origin.timeline.epoch_at(partition.number, position),
            "generation": self._parts.desk.leases[partition].generation,
            "index": route.index if route else None,
            "watermark": position,
            "done": [list(one) for one in islice(books.ledger[partition].done(), MOST_RANGES)],
            "otherwise": {"since": endings.since, "runs": endings.told()},
            "record_timestamp_ms": books.newest.get(partition),
        }

    def _event(self, topic: str, key: str, body: Json) -> None:
        event = {"v": 1, "at_ms": self._clock.now_ms(), "instance": self._instance} | body
        self._post.post(topic, key.encode(), orjson.dumps(event))


def _tally(parts: Parts) -> Tally:
    tally = Tally()
    for (route, partition), results in parts.books.accounts.results.items():
        for result, records in results.items():
            tally[route, partition.topic, result.value] += records
    return tally


def _of(tally: Tally, route: str, topic: str) -> dict[str, int]:
    return {
        word: count for (of_route, of_topic, word), count in tally.items() if (of_route, of_topic) == (route, topic)
    }
