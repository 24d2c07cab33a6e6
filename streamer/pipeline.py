"""The program: read `wire`, which joins every stage in the order in which a document passes it.

poll thread -> decode -> ledger -> coalesce per key -> text unchanged? -> batcher -> gate -> bulk -> outcome per item
-> ledger -> commit
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from streamer import failpoints, logs
from streamer.admission.bytewindow import ByteWindow
from streamer.admission.gate import Gate
from streamer.admission.limit import FixedLimit
from streamer.admission.little import LittleLimit
from streamer.admission.watcher import Watcher
from streamer.batching.books import Books
from streamer.batching.desk import Desk
from streamer.clock import Clock, SystemClock
from streamer.delivery.bulk import BulkCodec
from streamer.delivery.courier import Courier, Kit
from streamer.delivery.deadletter import Burial, DeadLetters
from streamer.delivery.dispatcher import Dispatcher, Passage, bounds_of
from streamer.delivery.fallback import Fallback
from streamer.delivery.fuse import Fuse
from streamer.delivery.lookups import Lookups
from streamer.delivery.precedence import Precedence
from streamer.delivery.progress import Publisher
from streamer.delivery.report import Parts, Report
from streamer.delivery.retention import Retention
from streamer.delivery.stale import StaleWatch
from streamer.elastic import Elastic
from streamer.errors import StreamerError
from streamer.health import AdminServer, admin_app
from streamer.intake.flow import Bounds
from streamer.intake.route import Route
from streamer.kafka.admin import Admin
from streamer.kafka.limited import Limited
from streamer.kafka.producer import Producer
from streamer.kafka.source import Source
from streamer.kafka.statistics import Statistics
from streamer.metrics import STREAMER_METRICS, Meter
from streamer.model import BACKLOG, PLAIN, REDRIVE, Partition
from streamer.runtime import Runtime
from streamer.settings import Settings
from streamer.setup.check import check
from streamer.setup.origins import OldOrigins, Origins, routes_of
from streamer.setup.state import EpochList
from streamer.setup.watch import Watch
from streamer.tools.live import show

PLAIN_BULKS = 4
"""Bulks without inference that may be in flight at a time."""

DRAIN_LOOK_SECONDS = 0.1

log = logs.get("streamer")


class Doors(msgspec.Struct, frozen=True):
    """The ways out of the process."""

    elastic: Elastic
    producer: Producer
    admin: Admin


class Stream(msgspec.Struct, frozen=True):
    """A wired program: records come in at `source`, leave through `dispatcher`, and `report` tells of them."""

    source: Source
    lookups: Lookups
    dispatcher: Dispatcher
    watchers: Mapping[str, Watcher]
    watch: Watch
    publisher: Publisher
    retention: Retention
    report: Report


async def run(settings: Settings, *, progress: bool = False) -> None:
    """Index what the routes take until SIGTERM or SIGINT; then finish what is in flight, commit and return.

    With `progress` a live line is shown. Raises StreamerError: SetupError and StateError before anything is taken;
    later only what cannot be waited out, with everything uncommitted kept.
    """
    failpoints.arm()
    async with _open(settings) as doors, _watched() as runtime:
        routes = routes_of(settings.routes, await check(doors.elastic, settings))
        parcels = {settings.topics.redrive: REDRIVE, settings.topics.backlog: BACKLOG}
        origins = Origins(doors.admin, await _epochs(settings, doors, runtime), routes, parcels)
        await origins.open()
        stream = wire(settings, routes, origins, doors, runtime)
        await _flow(stream, settings, runtime, progress=progress)


async def drain(settings: Settings, ends: Mapping[Partition, int]) -> bool:
    """Index what lies before `ends` in their partitions, from the group's commits on, as `run` does; then return.

    The group must have no member. Returns False when SIGTERM or SIGINT came first. Raises what `run` raises.
    """
    async with _open(settings) as doors, _watched() as runtime:
        routes = routes_of(settings.routes, await check(doors.elastic, settings))
        origins = OldOrigins(doors.admin, await _epochs(settings, doors, runtime), routes, {})
        stream = wire(settings, routes, origins, doors, runtime, ends)
        done = asyncio.Event()
        runtime.spawn(_stop_when_drained(stream, runtime, done))
        await _flow(stream, settings, runtime, progress=False)
        return done.is_set()


def wire(  # noqa: PLR0917 - what is wired
    settings: Settings,
    routes: Mapping[str, Route],
    origins: Origins,
    doors: Doors,
    runtime: Runtime,
    ends: Mapping[Partition, int] | None = None,
) -> Stream:
    """Return the program for `routes`: what passes what, and in which order.

    With `ends` it takes their partitions up to there, instead of what the group gives it.
    """
    instance = settings.kafka.group_instance_id or f"{socket.gethostname()}-{os.getpid()}"
    clock, bell, flow = runtime.clock, runtime.bell, settings.flow

    # Taken and not done: ledger, accounts, the newest write of each key, and the queues of what goes next.
    books = Books(Bounds(flow.max_outstanding_records, flow.max_outstanding_mbytes * 1_000_000), clock, bell.ring)

    # A text that the index has the tokens of goes past its deployment.
    lookups = Lookups(doors.elastic, routes, books, runtime)

    # A window for each deployment, shared by its routes; one more for what needs no inference.
    headroom = {wanted.id: wanted.search_headroom for wanted in settings.deployments}
    deployments = dict.fromkeys(route.deployment for route in routes.values())
    limits = {name: LittleLimit(flow.queue_delay_s, headroom.get(name, 0)) for name in deployments}
    models = {wanted.id: wanted.model_id for wanted in settings.deployments if wanted.type == "deployment"}
    watchers = {
        name: Watcher(doors.elastic, name, limit, runtime, model=models.get(name)) for name, limit in limits.items()
    }
    gates = {name: Gate(limit, clock, bell.ring) for name, limit in limits.items()}
    gates[PLAIN] = Gate(FixedLimit(flow.plain_bulk_max_documents * PLAIN_BULKS), clock, bell.ring)

    # Out: bulks until each item is done, or a dead letter.
    statistics, fallback = Statistics(), Fallback(routes, settings.topics.backlog, flow.lexical_after_s, doors.producer)
    window = ByteWindow(flow.max_mbytes_in_flight * 1_000_000, clock, bell.ring)
    letters = DeadLetters(doors.producer, settings.topics.dead_letters, instance, clock, _fuse(settings, clock))
    burial = Burial(letters, books, origins.topic_ids)
    stale_fuse = Fuse(clock, per_minute=settings.limits.stale_per_minute)
    stale = StaleWatch(routes, statistics.log_end, origins.epochs_of, stale_fuse)
    codec = BulkCodec(routes, settings.state_index)
    precedence = Precedence(doors.elastic, routes, settings.state_index)
    courier = Courier(Kit(doors.elastic, codec, precedence, window, burial, fallback, stale), books, runtime)
    dispatcher = Dispatcher(books, Passage(gates, window, fallback), courier, bounds_of(flow), runtime)

    # In: the poll thread asks the desk, which decodes, books and says what to pause and commit.
    desk = Desk(books, runtime, flow, origins, burial.of_rejected)
    source = _source(settings, desk, statistics, ends)
    for name, watcher in watchers.items():
        watcher.share = partial(desk.share, frozenset(one.name for one in routes.values() if one.deployment == name))

    parts = Parts(routes, books, desk, gates, window, watchers, courier, statistics)
    publisher = Publisher(doors.producer, settings.topics, instance, parts, clock)
    desk.parting = publisher.publish
    retention = Retention(doors.elastic, settings.state_index, settings.topics.dead_letter_retention_days, clock)
    watch = Watch(origins, desk.renew, runtime)
    report = Report(parts, instance, clock)
    return Stream(source, lookups, dispatcher, watchers, watch, publisher, retention, report)


async def _flow(stream: Stream, settings: Settings, runtime: Runtime, *, progress: bool) -> None:
    runtime.meter.read_from(stream.report)
    server = AdminServer(admin_app(runtime.meter, stream.report), settings.admin)
    log.info("started", admin=await server.start(), topics=[route.topics for route in settings.routes])
    _stop_on_signals(stream.source)
    for watcher in stream.watchers.values():
        runtime.spawn(watcher.run(settings.flow.stats_interval_s))
    runtime.spawn(stream.watch.run(settings.flow.topic_check_interval_s))
    runtime.spawn(stream.lookups.run())
    runtime.spawn(stream.dispatcher.run())
    runtime.spawn(stream.publisher.run())
    runtime.spawn(stream.retention.run())
    if progress:
        runtime.spawn(show(stream.report, runtime.clock))
    try:
        await stream.source.run()
        log.info("stopped", **stream.report.status())
    finally:
        await server.stop()


def _source(settings: Settings, desk: Desk, statistics: Statistics, ends: Mapping[Partition, int] | None) -> Source:
    if ends is not None:
        return Limited(settings.kafka, ends, desk, statistics)
    taken = [topic for route in settings.routes for topic in route.topics]
    return Source(settings.kafka, [*taken, settings.topics.redrive, settings.topics.backlog], desk, statistics)


def _fuse(settings: Settings, clock: Clock) -> Fuse:
    limits = settings.limits
    return Fuse(clock, per_minute=limits.dead_letters_per_minute, per_run=limits.dead_letters_per_run)


async def _epochs(settings: Settings, doors: Doors, runtime: Runtime) -> EpochList:
    cluster = await asyncio.to_thread(doors.admin.cluster_id)
    return EpochList(doors.elastic, settings.state_index, cluster, runtime.clock)


async def _stop_when_drained(stream: Stream, runtime: Runtime, done: asyncio.Event) -> None:
    assert isinstance(stream.source, Limited)  # noqa: S101 - a programming error
    await stream.source.reached.wait()
    while stream.report.waiting or stream.report.in_flight:
        await runtime.bell.wait(DRAIN_LOOK_SECONDS)
    if not stream.report.handed_over:
        done.set()
        stream.source.stop()


def _stop_on_signals(source: Source) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, source.stop)


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Doors]:
    elastic, producer = Elastic(settings.elasticsearch), Producer(settings.kafka)
    try:
        yield Doors(elastic, producer, Admin(settings.kafka))
    finally:
        await producer.close()
        await elastic.close()


@asynccontextmanager
async def _watched() -> AsyncIterator[Runtime]:
    """Give a runtime whose tasks end with the block; the first error of any of them is raised as it is."""
    try:
        async with asyncio.TaskGroup() as tasks:
            runtime = Runtime(SystemClock(), Meter(STREAMER_METRICS), tasks)
            yield runtime
            runtime.end()
    except BaseExceptionGroup as group:
        ours = group.subgroup(StreamerError)
        if ours is None:
            raise
        raise _first(ours) from group


def _first(group: BaseExceptionGroup[StreamerError]) -> StreamerError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
