"""The Faust application: outcome events in, sums per window out.

Its commits can pass an event in flight, and its tables are in memory, so it is good for looking at and for nothing that
must be exact. Concurrency is 1: with more, Faust loses events (faust-streaming issue 606).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import faust
import msgspec

from streamer import logs
from streamer.metrics import Meter, Metric
from streamer.ops.connection import brokers, credentials
from streamer.ops.windows import Outcome, Window, added, key_of, sums, totals, window
from streamer.settings import Settings

Json = dict[str, Any]

KEPT_WINDOWS = 60
EVENTS = Metric(
    "streamer_ops_events_total", "counter", ("result",), "Outcome events taken, by result (counted, unreadable)"
)
OPS_METRICS = (EVENTS,)
log = logs.get("ops")


class Ops:
    """The application with its tables, one for each window size in seconds."""

    def __init__(self, settings: Settings, sizes: Sequence[int], partitions: int, folder: str) -> None:
        """Prepare to read the outcomes topic, which has `partitions` partitions; Faust may write into `folder`."""
        self.meter = Meter(OPS_METRICS)
        self.sizes = tuple(sizes)
        self._decoder = msgspec.json.Decoder(Outcome)
        self.app = _app(settings, partitions, folder)
        self._tables = {size: self._table(size, partitions) for size in self.sizes}
        topic = self.app.topic(settings.topics.outcomes, value_type=bytes, value_serializer="raw")
        self.app.agent(topic, concurrency=1, name="outcomes")(self._take)

    def alive(self) -> bool:
        """Return whether Faust has not given up."""
        return self.app.crash_reason is None

    def ready(self) -> bool:
        """Return whether partitions are assigned and no rebalance is under way."""
        return bool(self.app.started and not self.app.rebalancing and not self.app.should_stop)

    def status(self) -> Mapping[str, Any]:
        """Return what a person wants to see."""
        return {"ready": self.ready(), "windows_s": list(self.sizes)}

    def outcomes(self, size: int, now_s: float | None = None) -> Json:
        """Return the windows of `size` seconds, the newest first, and the sums over all that are kept."""
        now = time.time() if now_s is None else now_s
        windows = self._windows(size, now)
        return {"window_s": size, "at_ms": round(now * 1000), "windows": windows, "totals": totals(windows)}

    def _windows(self, size: int, now_s: float) -> list[Window]:
        kept = self._tables[size].table.data.items()
        oldest = now_s - size * KEPT_WINDOWS
        found = [window(key, start, size, counts, now_s) for (key, (start, _)), counts in kept if start >= oldest]
        return sorted(found, key=lambda part: (-part.start_ms, part.topic, part.index))

    def _table(self, size: int, partitions: int) -> Any:  # noqa: ANN401 - Faust ships no types
        table = self.app.Table(f"outcomes-{size}s", default=dict, partitions=partitions)
        return table.tumbling(size, expires=size * KEPT_WINDOWS, key_index=True).relative_to_stream()

    async def _take(self, stream: Any) -> None:  # noqa: ANN401 - Faust ships no types
        async for event in stream.events():
            try:
                outcome = self._decoder.decode(event.value)
            except msgspec.DecodeError as error:
                self.meter.add(EVENTS, "unreadable")
                log.warning("event not readable", error=str(error), offset=event.message.offset)
                continue
            for table in self._tables.values():
                table[key_of(outcome)].apply(added, sums(outcome), event)
            self.meter.add(EVENTS, "counted")


def _app(settings: Settings, partitions: int, folder: str) -> faust.App:
    return faust.App(
        f"{settings.kafka.group_id}-ops",
        broker=brokers(settings.kafka),
        broker_credentials=credentials(settings.kafka),
        store="memory://",
        topic_partitions=partitions,
        topic_replication_factor=settings.topics.replication_factor,
        topic_disable_leader=True,
        table_standby_replicas=0,
        web_enabled=False,
        # Even tables in memory have one, by default in the working directory.
        datadir=folder,
        # Faust would take its arguments from the command line and from everything that it can import.
        autodiscover=False,
    )
