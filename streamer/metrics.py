"""Metrics from one list: code, README and tests read the same rows, and an unknown name cannot be counted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Literal, Protocol

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.utils import floatToGoString

Kind = Literal["counter", "gauge", "histogram"]


class Metric(msgspec.Struct, frozen=True):
    """One row: name with unit, kind, label names and meaning. `buckets` are upper bounds of a histogram."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

CONSUMED = Metric(
    "streamer_consumed_records_total", "counter", ("route", "topic", "partition"), "Records taken from Kafka"
)
RECORDS = Metric(
    "streamer_records_total",
    "counter",
    ("route", "topic", "partition", "result"),
    "Records that are done, by how they ended",
)
WAITING = Metric("streamer_waiting_records", "gauge", ("route", "topic", "partition"), "Records taken and not yet sent")
IN_FLIGHT = Metric(
    "streamer_in_flight_records", "gauge", ("route", "topic", "partition"), "Records sent and not yet done"
)
CONSERVATION = Metric(
    "streamer_conservation_difference",
    "gauge",
    ("route", "topic", "partition"),
    "Consumed minus every way to end, waiting and in flight: always 0",
)
LAG = Metric("streamer_lag_records", "gauge", ("topic", "partition"), "Log end minus what is committed")
OUTSTANDING_BYTES = Metric("streamer_outstanding_bytes", "gauge", (), "Bytes of records taken and not yet done")
PAUSED = Metric("streamer_paused_partitions", "gauge", (), "Partitions that are paused because a bound is reached")
SKIPPED = Metric(
    "streamer_skipped_records_total",
    "counter",
    ("topic", "partition"),
    "Offsets that retention took before they were read: between what was expected and the first that there still is",
)
FETCHED_BYTES = Metric(
    "streamer_kafka_fetched_bytes_total",
    "counter",
    (),
    "Bytes that librdkafka fetched, refetches after a pause included",
)
CONSUMED_BYTES = Metric("streamer_consumed_bytes_total", "counter", (), "Bytes of keys and values taken from Kafka")
COMMITS = Metric("streamer_commits_total", "counter", ("result",), "Offset commits, by result (ok, failed)")
REBALANCES = Metric("streamer_rebalances_total", "counter", ("event",), "Rebalance events (assigned, revoked, lost)")
BULKS = Metric("streamer_bulk_requests_total", "counter", ("lane", "result"), "Bulk requests, by lane and result")
BULK_SECONDS = Metric(
    "streamer_bulk_seconds", "histogram", ("lane",), "Time of a bulk request, inference included", SECONDS
)
BULK_DOCUMENTS = Metric(
    "streamer_bulk_documents",
    "histogram",
    ("lane",),
    "Documents in a bulk request",
    (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
REJECTIONS = Metric(
    "streamer_rejections_total", "counter", ("reason",), "Items or requests that were refused for now, by reason"
)
LOOKUPS = Metric(
    "streamer_lookups_total",
    "counter",
    ("route", "answer"),
    "Documents whose text was looked up before inference (unchanged, changed, absent, unreadable, failed)",
)
WINDOW = Metric("streamer_window_inputs", "gauge", ("deployment",), "Window: document inputs that may be in flight")
WINDOW_USED = Metric("streamer_window_used_inputs", "gauge", ("deployment",), "Document inputs in flight or in backoff")
WINDOW_RATE = Metric(
    "streamer_window_rate_inputs_per_second",
    "gauge",
    ("deployment",),
    "Part of the window: our inputs that get through",
)
WINDOW_POSSIBLE = Metric(
    "streamer_window_possible_inputs_per_second",
    "gauge",
    ("deployment",),
    "Part of the window: our share of what the allocations could do; 0 without statistics",
)
WINDOW_SERVICE = Metric(
    "streamer_window_service_seconds", "gauge", ("deployment",), "Part of the window: allocations' time for one input"
)
WINDOW_DELAY = Metric(
    "streamer_window_queue_delay_seconds", "gauge", ("deployment",), "Part of the window: wished wait at the queue"
)
WINDOW_BOUND = Metric(
    "streamer_window_bound",
    "gauge",
    ("deployment", "bound"),
    "1 for what decides the window: allocations, rate, rate alone (no statistics), queue (half of its slots), headroom, cut (the queue was full)",
)
BYTE_WINDOW = Metric(
    "streamer_window_bytes", "gauge", (), "Window of bytes: bulks that may wait for an answer, all lanes together"
)
HELD = Metric(
    "streamer_held", "gauge", ("deployment",), "1 while nothing is sent because the deployment or cluster is gone"
)
ALLOCATIONS = Metric(
    "streamer_deployment_allocations", "gauge", ("deployment",), "Allocations in the deployment's statistics"
)
PENDING = Metric(
    "streamer_deployment_pending_requests", "gauge", ("deployment",), "Requests queued or computed at the deployment"
)
BUSY = Metric(
    "streamer_deployment_busy_ratio", "gauge", ("deployment",), "Busy share: part of the allocations' time in use"
)
FRESHNESS = Metric(
    "streamer_freshness_seconds",
    "histogram",
    ("route",),
    "From the record's timestamp to its answer from Elasticsearch",
    SECONDS,
)
STRIPPED = Metric(
    "streamer_stripped_fields_total", "counter", ("route",), "Fields of records that the pipeline writes itself"
)

STREAMER_METRICS = (
    CONSUMED,
    RECORDS,
    WAITING,
    IN_FLIGHT,
    CONSERVATION,
    LAG,
    OUTSTANDING_BYTES,
    PAUSED,
    SKIPPED,
    FETCHED_BYTES,
    CONSUMED_BYTES,
    COMMITS,
    REBALANCES,
    BULKS,
    BULK_SECONDS,
    BULK_DOCUMENTS,
    REJECTIONS,
    LOOKUPS,
    WINDOW,
    WINDOW_USED,
    WINDOW_RATE,
    WINDOW_POSSIBLE,
    WINDOW_SERVICE,
    WINDOW_DELAY,
    WINDOW_BOUND,
    BYTE_WINDOW,
    HELD,
    ALLOCATIONS,
    PENDING,
    BUSY,
    FRESHNESS,
    STRIPPED,
)


class Sample(msgspec.Struct, frozen=True):
    """A value that is read when the metrics are asked for."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


class Readable(Protocol):
    """State that knows its own metrics: counting twice is left out of the hot path."""

    def samples(self) -> Iterable[Sample]:
        """Return the present values; all samples of one metric follow each other or not, as it comes."""


class Distribution:
    """A histogram under one set of labels, to which many values can be added at a time."""

    def __init__(self, bounds: Sequence[float]) -> None:
        """Count between `bounds`, which are rising upper bounds, and above the last."""
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, values: Iterable[float]) -> None:
        """Count values."""
        for value in values:
            self._counts[bisect_left(self._bounds, value)] += 1
            self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return each upper bound, as Prometheus writes it, and how many values are not above it."""
        bounds = (*self._bounds, float("inf"))
        return list(zip(map(floatToGoString, bounds), accumulate(self._counts), strict=True))


class Meter:
    """The metrics of one process, made from a list of rows."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        """Register a Prometheus metric for each row that code counts itself."""
        self._known = {metric.name: metric for metric in metrics}
        self._registry = CollectorRegistry()
        self._made: dict[str, Counter | Gauge] = {}
        self._distributions: dict[str, dict[tuple[str, ...], Distribution]] = {}
        self._readables: list[Readable] = []
        self._registry.register(self)

    def add(self, metric: Metric, *labels: str, amount: float = 1) -> None:
        """Add `amount` to a counter."""
        made = self._metric(metric)
        assert isinstance(made, Counter), metric.name  # noqa: S101 - a programming error
        (made.labels(*labels) if labels else made).inc(amount)

    def set(self, metric: Metric, value: float, *labels: str) -> None:
        """Set a gauge."""
        made = self._metric(metric)
        assert isinstance(made, Gauge), metric.name  # noqa: S101 - a programming error
        (made.labels(*labels) if labels else made).set(value)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        self.observe_all(metric, (value,), *labels)

    def observe_all(self, metric: Metric, values: Iterable[float], *labels: str) -> None:
        """Add many values to a histogram."""
        row = self._known[metric.name]
        assert row.kind == "histogram", row.name  # noqa: S101 - a programming error
        assert len(labels) == len(row.labels), row.name  # noqa: S101 - a programming error
        made = self._distributions.setdefault(row.name, {})
        if labels not in made:
            made[labels] = Distribution(row.buckets)
        made[labels].add(values)

    def read_from(self, readable: Readable) -> None:
        """Ask `readable` for its values at each scrape."""
        self._readables.append(readable)

    def exposition(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def describe(self) -> Iterator[Family]:
        """Tell the registry that the names are known only when asked for."""
        return iter(())

    def collect(self) -> Iterator[Family]:
        """Return the histograms and the values of all readables, one family a metric (called by the registry)."""
        yield from self._histograms()
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {}
        for readable in self._readables:
            for sample in readable.samples():
                row = self._known[sample.metric.name]
                kind = CounterMetricFamily if row.kind == "counter" else GaugeMetricFamily
                family = families.setdefault(row.name, kind(row.name, row.meaning, labels=row.labels))
                family.add_metric(sample.labels, sample.value)
        yield from families.values()

    def _histograms(self) -> Iterator[Family]:
        for name, made in self._distributions.items():
            row = self._known[name]
            family = HistogramMetricFamily(name, row.meaning, labels=row.labels)
            for labels, distribution in made.items():
                family.add_metric(labels, distribution.buckets(), distribution.total)
            yield family

    def _metric(self, metric: Metric) -> Counter | Gauge:
        if metric.name not in self._made:
            self._made[metric.name] = self._make(self._known[metric.name])
        return self._made[metric.name]

    def _make(self, row: Metric) -> Counter | Gauge:
        kind = Counter if row.kind == "counter" else Gauge
        return kind(row.name, row.meaning, row.labels, registry=self._registry)
