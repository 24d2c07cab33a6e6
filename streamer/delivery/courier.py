"""Carries a batch to Elasticsearch until each write is done; only what was refused for now goes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random

from streamer import failpoints, logs
from streamer.admission.gate import Gate, Ticket
from streamer.batching.books import Books
from streamer.clock import Deadline
from streamer.delivery.bulk import FILTER_PATH, BulkCodec
from streamer.delivery.deadletter import Burial
from streamer.delivery.outcome import QUEUE_FULL, Action, Answer, Layer, Verdict, judge
from streamer.delivery.retry import RetryPolicy, wait_before
from streamer.elastic import Elastic
from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable, UnknownAnswer
from streamer.metrics import BULK_DOCUMENTS, BULK_SECONDS, BULKS, FRESHNESS, REJECTIONS
from streamer.model import Write
from streamer.runtime import Runtime

log = logs.get("delivery")


class Courier:
    """Delivers batches; several at a time, each in a task of its own."""

    def __init__(self, elastic: Elastic, codec: BulkCodec, books: Books, burial: Burial, runtime: Runtime) -> None:
        """Send with `elastic` what `codec` writes, and book what became of it."""
        self._elastic, self._codec, self._books, self._burial = elastic, codec, books, burial
        self._bell, self._clock, self._meter = runtime.bell, runtime.clock, runtime.meter
        self._policy, self._random = RetryPolicy(), Random()  # noqa: S311 - spreads retries, guards no secret
        self.rejections: Counter[tuple[str, str, str]] = Counter()
        """Refusals so far, by route, topic and reason."""

    async def deliver(self, lane: str, writes: Sequence[Write], gate: Gate, ticket: Ticket) -> None:
        """See every write of a batch, which `gate` admitted with `ticket`, through.

        Raises UnknownAnswer for an answer that the outcome table does not know, and DeadLetterUndelivered; both end
        the program with everything that is not done uncommitted.
        """
        pending, most, refusals = list(writes), len(writes), 0
        while pending := self._ours(pending, ticket):
            probing = gate.probe()
            if gate.hold is not None and not probing:
                await self._bell.wait(gate.hold.wait(self._clock.monotonic()) or None)
                continue
            count = 1 if probing else most
            batch = pending[:count]
            verdicts = await self._send(lane, batch)
            self._tell(gate, ticket, verdicts, probed=probing)
            failpoints.reach("settle.before")
            again = [
                write
                for write, verdict in zip(batch, verdicts, strict=True)
                if not await self._settle(write, verdict, ticket)
            ]
            failpoints.reach("settle.after")
            pending = again + pending[count:]
            if _any(verdicts, Action.SPLIT):
                most = max(1, len(batch) // 2)
            if _any(verdicts, Action.RETRY):
                refusals += 1
                await self._wait(wait_before(self._policy, refusals, self._random), pending)
            pending = [self._renewed(write, ticket) for write in pending]

    def _ours(self, writes: Sequence[Write], ticket: Ticket) -> list[Write]:
        """Let go of what belongs to partitions that are given up."""
        staying = []
        for write in writes:
            if self._books.is_staying(write):
                staying.append(write)
            else:
                self._books.abandon(write)
                ticket.ignore(write.units)
        return staying

    async def _send(self, lane: str, batch: Sequence[Write]) -> list[Verdict]:
        started = self._clock.monotonic()
        failpoints.reach("bulk.before")
        try:
            answer = await self._elastic.bulk(self._codec.encode(batch, self._clock.now_ms()), FILTER_PATH)
        except ElasticUnavailable as error:
            verdicts = [Verdict(Action.HOLD, "unreachable", detail=str(error))] * len(batch)
        except ElasticTimeout as error:
            verdicts = [Verdict(Action.HOLD, "no_answer", detail=str(error))] * len(batch)
        except ElasticRefused as error:
            verdict = judge(Answer(Layer.REQUEST, error.status, error.kind, error.reason))
            verdicts = [_alone(verdict) if len(batch) == 1 else verdict] * len(batch)
        else:
            failpoints.reach("bulk.answered")
            verdicts = self._codec.read(batch, answer)
        self._meter.observe(BULK_SECONDS, self._clock.monotonic() - started, lane)
        self._count(lane, batch, verdicts)
        return verdicts

    def _count(self, lane: str, batch: Sequence[Write], verdicts: Sequence[Verdict]) -> None:
        refused = Counter(
            (write.route, write.partition.topic, verdict.reason)
            for write, verdict in zip(batch, verdicts, strict=True)
            if verdict.action in {Action.RETRY, Action.HOLD}
        )
        for (_, _, reason), count in refused.items():
            self._meter.add(REJECTIONS, reason, amount=count)
        self.rejections.update(refused)
        self._meter.add(BULKS, lane, "partial" if refused else "ok")
        self._meter.observe(BULK_DOCUMENTS, len(verdicts), lane)

    def _tell(self, gate: Gate, ticket: Ticket, verdicts: Sequence[Verdict], *, probed: bool) -> None:
        """Tell the gate what the answer says about the deployment."""
        gone = next((verdict for verdict in verdicts if verdict.action is Action.HOLD), None)
        if gone is not None:
            if gate.hold is None:
                log.warning("hold", reason=gone.reason, detail=gone.detail)
            gate.close(gone.reason, probed=probed)
        else:
            if gate.hold is not None:
                log.info("hold ended")
            gate.open()
        if any(verdict.reason == QUEUE_FULL for verdict in verdicts):
            ticket.overload()

    async def _settle(self, write: Write, verdict: Verdict, ticket: Ticket) -> bool:
        """Return whether `write` is done."""
        if verdict.action is Action.DONE and verdict.result is not None:
            ticket.success(write.units)
            self._books.succeeded(write, verdict.result)
            age = self._clock.now_ms() - write.record.timestamp_ms
            self._meter.observe(FRESHNESS, max(0, age) / 1_000, write.route)
            return True
        if verdict.action is Action.NEVER:
            await self._burial.of_write(write, verdict)
            ticket.ignore(write.units)
            return True
        if verdict.action is Action.STOP:
            place = f"{write.partition} at {write.record.offset} (id {write.id!r})"
            raise UnknownAnswer(f"Elasticsearch gave an answer for {place} that is in no table: {verdict.detail}")
        write.attempts += 1
        return False

    async def _wait(self, seconds: float, pending: Sequence[Write]) -> None:
        """Let `seconds` pass, or less when some of `pending` has to be given up."""
        deadline = Deadline(self._clock, seconds)
        while deadline.remaining() and all(self._books.is_staying(write) for write in pending):
            await self._bell.wait(deadline.remaining())

    def _renewed(self, write: Write, ticket: Ticket) -> Write:
        if not self._books.is_staying(write):
            return write
        newer = self._books.renew(write)
        ticket.exchange(write.units, newer.units)
        return newer


def _any(verdicts: Sequence[Verdict], action: Action) -> bool:
    return any(verdict.action is action for verdict in verdicts)


def _alone(verdict: Verdict) -> Verdict:
    """A document that is refused with the whole request, and is alone in it, is itself the reason."""
    if verdict.action is not Action.SPLIT:
        return verdict
    return Verdict(Action.NEVER, verdict.reason, detail=verdict.detail)
