"""The commands under `dlq`: the dead-letter topic is read from end to end, some letters at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager

import msgspec

from streamer.clock import SystemClock
from streamer.elastic import Elastic
from streamer.errors import InputError, SetupError
from streamer.kafka.admin import Admin, Topic
from streamer.kafka.producer import Producer
from streamer.kafka.reader import records
from streamer.model import Partition, Record
from streamer.settings import Settings
from streamer.tools.letters import Letter, Wanted, at, letter_of, place_of, printable, readable
from streamer.tools.load import Acknowledgements
from streamer.tools.notes import Deed, Notes
from streamer.tools.pace import Pace
from streamer.tools.progress import Update, shown

PORTION = 500
PORTION_BYTES = 8 << 20
MOST_GROUPS = 10_000
DETAIL_SHOWN = 200


class Group(msgspec.Struct):
    """The dead letters of one fault; times in milliseconds since 1970, `example` and `detail` are of the first."""

    fingerprint: str
    reason: str
    stage: str
    route: str
    detail: str
    example: str
    count: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, at_ms: int) -> None:
        """Count one more."""
        self.first_ms = min(self.first_ms, at_ms) if self.count else at_ms
        self.last_ms = max(self.last_ms, at_ms)
        self.count += 1


class Listing(msgspec.Struct):
    """Dead letters by fault, most first; `ungrouped` are those of faults beyond `MOST_GROUPS`."""

    letters: int = 0
    ungrouped: int = 0
    groups: list[Group] = []

    def lines(self) -> Iterator[str]:
        """Return what people read."""
        for group in self.groups:
            times = f"{at(group.first_ms)} to {at(group.last_ms)}"
            head = (group.fingerprint, f"{group.count:,}", group.route, group.reason, times, group.example)
            yield "  ".join(printable(part) for part in head)
            yield "    " + printable(group.detail[:DETAIL_SHOWN])
        if self.ungrouped:
            yield f"and {self.ungrouped:,} of other faults"
        yield f"{self.letters:,} dead letters" if self.letters else "no dead letters"


class Plan(msgspec.Struct, frozen=True):
    """How many are dealt with at most, how many in a second, and whether that is only told."""

    limit: int | None = None
    rate: float | None = None
    dry_run: bool = False


class Report(msgspec.Struct, frozen=True):
    """What became of a redrive or discard."""

    action: Deed
    letters: int
    dry_run: bool
    seconds: float

    def __str__(self) -> str:
        """Return a sentence for people."""
        would = "would be " if self.dry_run else ""
        return f"{self.letters:,} dead letters {would}{self.action} in {self.seconds:.1f} s"


class Mailbox:
    """The dead-letter topic, and the notes about what was done with its letters."""

    def __init__(self, settings: Settings, topic: Topic, notes: Notes, admin: Admin) -> None:
        """Read `topic`; see `opened`."""
        self._settings, self._topic, self.notes, self._admin = settings, topic, notes, admin

    async def portions(
        self, wanted: Wanted, size: int, update: Update, *, done: bool
    ) -> AsyncGenerator[list[Letter], None]:
        """Yield the wanted letters that are there now, a few at a time; with `done` also those dealt with."""
        ranges = await asyncio.to_thread(self.ranges)
        left = records(self._settings.kafka, ranges)
        position = found = 0
        try:
            while portion := await asyncio.to_thread(_some, left, size):
                letters = [letter for letter in map(letter_of, portion) if letter and wanted.matches(letter)]
                deeds = [None] * len(letters) if done else await self.notes.deeds(letters)
                fresh = [letter for letter, deed in zip(letters, deeds, strict=True) if deed is None]
                position, found = position + len(portion), found + len(fresh)
                update(position, found)
                yield fresh
        finally:
            await asyncio.to_thread(left.close)

    def ranges(self) -> dict[Partition, tuple[int, int]]:
        """Return the first offset of each partition, and the one after the last; blocks."""
        partitions = [Partition(self._topic.name, number) for number in range(self._topic.partitions)]
        first, ends = self._admin.offsets(partitions, end=False), self._admin.offsets(partitions, end=True)
        return {partition: (first[partition], ends[partition]) for partition in partitions}


async def listing(settings: Settings, wanted: Wanted, *, done: bool) -> Listing:
    """Return the wanted dead letters by fault. Raises SetupError, StateError, KafkaError, ElasticError."""
    found, groups = Listing(), dict[str, Group]()
    async with opened(settings) as mailbox:
        with shown("dead letters", await _total(mailbox), unit="letters") as update:
            async with aclosing(mailbox.portions(wanted, PORTION, update, done=done)) as portions:
                async for letters in portions:
                    for letter in letters:
                        _count(found, groups, letter)
    found.groups = sorted(groups.values(), key=lambda group: -group.count)
    return found


async def one(settings: Settings, text: str) -> str:
    """Return the dead letter at a place as JSON. Raises InputError when there is none, and what `listing` raises."""
    partition, offset = place_of(text)
    async with opened(settings) as mailbox:
        first, end = (await asyncio.to_thread(mailbox.ranges)).get(partition, (0, 0))
        if not first <= offset < end:
            raise InputError(f"there is no dead letter at {text}")
        (record,) = await asyncio.to_thread(lambda: list(records(settings.kafka, {partition: (offset, offset + 1)})))
        letter = letter_of(record)
        if letter is None:
            raise InputError(f"the record at {text} is no dead letter")
        (deed,) = await mailbox.notes.deeds([letter])
    whole = {"place": letter.place, "done": deed} | readable(record.value or b"")
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode()


async def redrive(settings: Settings, wanted: Wanted, plan: Plan) -> Report:
    """Send the wanted dead letters to the redrive topic; each is noted when the brokers have it.

    Raises SetupError, StateError, KafkaError, ElasticError; what was sent and not noted is sent again another time,
    which changes nothing.
    """
    producer, pace = Producer(settings.kafka), Pace(SystemClock(), plan.rate)

    async def send(letters: Sequence[Letter]) -> None:
        acknowledgements = Acknowledgements()
        try:
            for letter in letters:
                await pace.wait()
                value = letter.carrier.value or b""
                sent = await producer.begin(settings.topics.redrive, letter.key, value)
                await acknowledgements.add(sent, len(value))
            await acknowledgements.all()
        finally:
            acknowledgements.forget()

    try:
        return await _deal(settings, wanted, plan, "redriven", send)
    finally:
        await producer.close()


async def discard(settings: Settings, wanted: Wanted, plan: Plan) -> Report:
    """Note that the wanted dead letters are done with. Raises SetupError, StateError, KafkaError, ElasticError."""

    async def nothing(_: Sequence[Letter]) -> None:
        """The note is all."""

    return await _deal(settings, wanted, plan, "discarded", nothing)


async def _deal(
    settings: Settings, wanted: Wanted, plan: Plan, deed: Deed, act: Callable[[Sequence[Letter]], Awaitable[None]]
) -> Report:
    began, count = time.monotonic(), 0
    # A second's worth at a time: so little is sent without a note when somebody loses patience.
    size = PORTION if plan.rate is None else max(1, min(PORTION, int(plan.rate)))
    async with opened(settings) as mailbox:
        with shown("dead letters", await _total(mailbox), unit="letters") as update:
            async with aclosing(mailbox.portions(wanted, size, update, done=False)) as portions:
                async for letters in portions:
                    chosen = letters if plan.limit is None else letters[: plan.limit - count]
                    if not plan.dry_run:
                        await act(chosen)
                        await mailbox.notes.write(chosen, deed)
                    count += len(chosen)
                    if count == plan.limit:
                        break
    return Report(deed, count, plan.dry_run, round(time.monotonic() - began, 1))


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Mailbox]:
    """Give the mailbox of `settings`. Raises SetupError when a topic is missing, KafkaError."""
    admin, elastic = Admin(settings.kafka), Elastic(settings.elasticsearch, connections=2)
    try:
        names = (settings.topics.dead_letters, settings.topics.redrive)
        topics = await asyncio.to_thread(admin.topics, names)
        if missing := [name for name in names if name not in topics]:
            raise SetupError(f"the topic {missing[0]!r} is missing, run `streamer setup`")
        topic, cluster = topics[names[0]], await asyncio.to_thread(admin.cluster_id)
        notes = Notes(elastic, settings.state_index, cluster, topic, SystemClock())
        yield Mailbox(settings, topic, notes, admin)
    finally:
        await elastic.close()


async def _total(mailbox: Mailbox) -> int:
    return sum(end - first for first, end in (await asyncio.to_thread(mailbox.ranges)).values())


def _count(found: Listing, groups: dict[str, Group], letter: Letter) -> None:
    found.letters += 1
    fields, fault = letter.fields, letter.fault
    if fault not in groups:
        if len(groups) == MOST_GROUPS:
            found.ungrouped += 1
            return
        groups[fault] = Group(fault, fields.reason, fields.stage, fields.route, fields.detail, letter.place)
    groups[fault].add(fields.at_ms)


def _some(left: Iterator[Record], most: int) -> list[Record]:
    """Return the next records, at most `most` and hardly more than `PORTION_BYTES`."""
    portion: list[Record] = []
    size = 0
    for record in left:
        portion.append(record)
        size += record.size
        if len(portion) == most or size >= PORTION_BYTES:
            break
    return portion
