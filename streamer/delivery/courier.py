"""Carries a batch to Elasticsearch until each write is done; only what was refused for now goes again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from random import Random

import msgspec

from streamer import failpoints, logs
from streamer.admission.bytewindow import ByteWindow, Weight
from streamer.admission.gate import Gate, Hold, Ticket
from streamer.batching.books import Books
from streamer.clock import Deadline
from streamer.delivery.bulk import FILTER_PATH, BulkCodec
from streamer.delivery.deadletter import Burial
from streamer.delivery.fallback import Fallback
from streamer.delivery.load import Load
from streamer.delivery.outcome import (
    MEMORY_SHORT,
    PROCESS_DIED,
    QUEUE_FULL,
    Action,
    Answer,
    Layer,
    Place,
    Verdict,
    judge,
)
from streamer.delivery.precedence import Precedence
from streamer.delivery.retry import Backoff, RetryPolicy
from streamer.delivery.stale import StaleWatch
from streamer.elastic import Elastic
from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable, UnknownAnswer
from streamer.metrics import BULK_DOCUMENTS, BULK_SECONDS, BULKS, FRESHNESS, REJECTIONS
from streamer.model import Result, Write
from streamer.runtime import Runtime

MOST_DEATHS = 3
"""A document over which the encoder's process died so often is a dead letter: the next death in a day would end the
deployment (es: DeploymentManager allows three restarts in 24 hours)."""

LONGEST_WAIT = 5.0

ROUTE, VERDICT = attrgetter("route"), itemgetter(1)

log = logs.get("delivery")


class Trip(msgspec.Struct, frozen=True):
    """A batch on its way: what is left of it, and what it holds of the gate's window and of the bytes."""

    lane: str
    load: Load
    gate: Gate
    ticket: Ticket
    weight: Weight

    def let_go(self, write: Write) -> None:
        """Free the slots of a write that is no more part of the batch."""
        self.ticket.ignore(write.units)


class Kit(msgspec.Struct, frozen=True):
    """What a courier works with."""

    elastic: Elastic
    codec: BulkCodec
    precedence: Precedence
    window: ByteWindow
    burial: Burial
    fallback: Fallback
    stale: StaleWatch


class Courier:
    """Delivers batches; several at a time, each in a task of its own."""

    def __init__(self, kit: Kit, books: Books, runtime: Runtime) -> None:
        """Send and judge with `kit`, and book what became of each write."""
        self._kit, self._books = kit, books
        self._bell, self._clock, self._meter = runtime.bell, runtime.clock, runtime.meter
        self._random = Random()  # noqa: S311 - spreads retries, guards no secret
        self._backoffs = defaultdict[str, Backoff](lambda: Backoff(RetryPolicy(), self._clock, self._random))
        self.rejections: Counter[tuple[str, str, str]] = Counter()
        """Refusals so far, by route, topic and reason."""

    async def deliver(self, trip: Trip) -> None:
        """See every write of a batch through.

        Raises UnknownAnswer for an answer that the outcome table does not know, DeadLetterUndelivered,
        BacklogUndelivered, TooManyDeadLetters and StaleBurst; all end the program with everything that is not done
        uncommitted.
        """
        while self._staying(trip):
            probing = trip.gate.probe()
            hold = trip.gate.hold
            if hold is not None and not probing:
                await self._wait_for_the_end_of(hold, trip)
            else:
                await self._go(trip, probing=probing)
        trip.weight.resize(0)

    def _staying(self, trip: Trip) -> bool:
        """Let go of what belongs to partitions that are given up; return whether anything is left."""
        leaving = [write for write in trip.load if not self._books.is_staying(write)]
        for write in leaving:
            self._books.abandon(write)
        self._without(trip, leaving)
        return bool(trip.load)

    async def _wait_for_the_end_of(self, hold: Hold, trip: Trip) -> None:
        trip.weight.resize(0)
        if self._kit.fallback.applies(trip.gate):
            diverted = [write for write in trip.load if self._kit.fallback.covers(write)]
            for write in diverted:
                self._books.put_back(write)
            self._without(trip, diverted)
        if trip.load:
            await self._bell.wait(hold.wait(self._clock.monotonic()) or LONGEST_WAIT)

    def _without(self, trip: Trip, gone: Sequence[Write]) -> None:
        if gone:
            names = {id(write) for write in gone}
            trip.load.keep(lambda write: id(write) not in names)
            for write in gone:
                trip.let_go(write)

    async def _go(self, trip: Trip, *, probing: bool) -> None:
        batch = trip.load.take(alone=probing)
        answers = zip(batch, await self._send(trip, batch), strict=True)
        verdicts = [_final(verdict, write, len(batch)) for write, verdict in answers]
        self._tell(trip, verdicts, probed=probing)
        failpoints.reach("settle.before")
        left = await self._settle(batch, verdicts, trip)
        failpoints.reach("settle.after")
        if _count(verdicts, Action.SPLIT):
            trip.load.halve(left)
        else:
            trip.load.put_back(left, probed=probing)
        await self._back_off(trip, verdicts)
        trip.load.change(lambda write: self._renewed(write, trip.ticket))

    async def _send(self, trip: Trip, batch: Sequence[Write]) -> list[Verdict]:
        size = sum(write.size for write in batch)
        while not trip.weight.fits(size):
            await self._bell.wait()
        trip.weight.resize(size)
        started = self._clock.monotonic()
        verdicts = await self._kit.precedence.checked(batch, self._ask)
        trip.weight.resize(0)
        if any(verdict.reason in MEMORY_SHORT for verdict in verdicts):
            self._kit.window.pressed()
        else:
            self._kit.window.passed(size)
        self._meter.observe(BULK_SECONDS, self._clock.monotonic() - started, trip.lane)
        self._count(trip.lane, batch, verdicts)
        return verdicts

    async def _ask(self, batch: Sequence[Write]) -> list[Verdict]:
        """Send one bulk and return a verdict for each of its writes."""
        failpoints.reach("bulk.before")
        try:
            answer = await self._kit.elastic.bulk(self._kit.codec.encode(batch, self._clock.now_ms()), FILTER_PATH)
        except ElasticUnavailable as error:
            return [Verdict(Action.HOLD, "unreachable", detail=str(error))] * len(batch)
        except ElasticTimeout as error:
            return [Verdict(Action.HOLD, "no_answer", detail=str(error))] * len(batch)
        except ElasticRefused as error:
            return [judge(Answer(Layer.REQUEST, error.status, error.kind, error.reason))] * len(batch)
        failpoints.reach("bulk.answered")
        return self._kit.codec.read(batch, answer)

    def _count(self, lane: str, batch: Sequence[Write], verdicts: Sequence[Verdict]) -> None:
        refused = Counter(
            (write.route, write.record.partition.topic, verdict.reason)
            for write, verdict in zip(batch, verdicts, strict=True)
            if verdict.action is Action.RETRY or verdict.action is Action.HOLD
        )
        for (_, _, reason), count in refused.items():
            self._meter.add(REJECTIONS, reason, amount=count)
        self.rejections.update(refused)
        self._meter.add(BULKS, lane, "partial" if refused else "ok")
        self._meter.observe(BULK_DOCUMENTS, len(verdicts), lane)

    def _tell(self, trip: Trip, verdicts: Sequence[Verdict], *, probed: bool) -> None:
        """Tell the gate what the answer says about the deployment."""
        gate = trip.gate
        gone = next((verdict for verdict in verdicts if verdict.action is Action.HOLD), None)
        if gone is not None:
            if gate.hold is None:
                log.warning("hold", reason=gone.reason, detail=gone.detail)
            gate.close(gone.reason, probed=probed, inference_only=gone.place is Place.DEPLOYMENT)
        else:
            if gate.hold is not None:
                log.info("hold ended")
            gate.open()
        trip.ticket.answered(sum(verdict.reason == QUEUE_FULL for verdict in verdicts), len(verdicts))

    async def _settle(self, batch: Sequence[Write], verdicts: Sequence[Verdict], trip: Trip) -> list[Write]:
        """Book what became of each write; return those that are not done."""
        left: list[Write] = []
        # Nearly always they all ended in the same way.
        for verdict, pairs in groupby(zip(batch, verdicts, strict=True), VERDICT):
            writes = [write for write, _ in pairs]
            if verdict.action is Action.DONE and verdict.result is not None:
                await self._complete(writes, verdict, verdict.result, trip)
            elif verdict.action is Action.NEVER:
                await self._bury(writes, verdict, trip)
            elif verdict.action is Action.STOP:
                raise _unknown(writes[0], verdict)
            else:
                left += writes
                _attempted(writes, verdict)
        return left

    async def _complete(self, writes: Sequence[Write], verdict: Verdict, result: Result, trip: Trip) -> None:
        for write in writes:
            if result is Result.STALE:
                self._kit.stale.saw(write, verdict.current)
            elif write.lexical:
                await self._kit.fallback.owe(write, self._kit.burial.topic_id(write))
        trip.ticket.success(sum(write.units for write in writes))
        self._books.succeeded(writes, result)
        now = self._clock.now_ms()
        for route, of_route in groupby(writes, ROUTE):
            ages = (max(0, now - write.record.timestamp_ms) / 1_000 for write in of_route)
            self._meter.observe_all(FRESHNESS, ages, route)

    async def _bury(self, writes: Sequence[Write], verdict: Verdict, trip: Trip) -> None:
        for write in writes:
            await self._kit.burial.of_write(write, verdict)
            trip.let_go(write)

    async def _back_off(self, trip: Trip, verdicts: Sequence[Verdict]) -> None:
        """Let some time pass when documents were refused for now, or less when some of the batch has to be given up."""
        refused, backoff = _count(verdicts, Action.RETRY), self._backoffs[trip.lane]
        backoff.told(refused, len(verdicts))
        if not refused:
            return
        deadline = Deadline(self._clock, backoff.wait())
        while deadline.remaining() and all(self._books.is_staying(write) for write in trip.load):
            await self._bell.wait(deadline.remaining())

    def _renewed(self, write: Write, ticket: Ticket) -> Write:
        if not self._books.is_staying(write):
            return write
        newer = self._books.renew(write)
        ticket.exchange(write.units, newer.units)
        return newer


def _attempted(writes: Sequence[Write], verdict: Verdict) -> None:
    for write in writes:
        write.attempts += 1
        write.deaths += verdict.reason == PROCESS_DIED


def _unknown(write: Write, verdict: Verdict) -> UnknownAnswer:
    place = f"{write.partition} at {write.carrier.offset} (id {write.id!r})"
    return UnknownAnswer(f"Elasticsearch gave an answer for {place} that is in no table: {verdict.detail}")


def _count(verdicts: Sequence[Verdict], action: Action) -> int:
    return sum(verdict.action is action for verdict in verdicts)


def _final(verdict: Verdict, write: Write, sent: int) -> Verdict:
    """Return what a verdict comes to when the document is itself the reason: alone, or for the last time."""
    if verdict.action is Action.SPLIT and sent == 1:
        return Verdict(Action.NEVER, verdict.reason, detail=verdict.detail)
    if verdict.reason == PROCESS_DIED and write.deaths + 1 >= MOST_DEATHS:
        return Verdict(Action.NEVER, "kills_process", detail=verdict.detail)
    return verdict
