"""The command `load`: the rows of a file become records of a topic, once.

The file is read twice: first to count the rows and to find broken ones before anything is sent, then to send. Each
record names the load (a digest of the file and of how it is read), its row and the number of rows; the last row is sent
after all others are acknowledged. So a topic whose newest record is a load's last row holds that load completely.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
import orjson

from streamer.clock import SystemClock
from streamer.errors import InputError
from streamer.kafka.admin import Admin
from streamer.kafka.producer import Headers, Producer
from streamer.kafka.reader import last_records
from streamer.model import Partition, Record
from streamer.settings import Settings
from streamer.tools.pace import Pace
from streamer.tools.progress import Update, shown
from streamer.tools.rows import Broken, Layout, Row, read_rows

DEFAULT_PARTITIONS = 4
DIGEST, ROW, TOTAL = "streamer-load-digest", "streamer-load-row", "streamer-load-rows"
MAX_RECORDS = 5_000
MAX_BYTES = 32 << 20
BROKEN_SHOWN = 5


class Load(msgspec.Struct, frozen=True):
    """What to load: `key` names the field that becomes the record's key, `rate` is in rows a second."""

    file: Path
    topic: str
    layout: Layout
    key: str | None = None
    partitions: int | None = None
    rate: float | None = None
    limit: int | None = None
    again: bool = False
    skip_broken: bool = False


class Plan(msgspec.Struct, frozen=True):
    """What the first reading found; `size` is how many bytes of the file hold the rows."""

    digest: str
    rows: int
    size: int
    broken: list[Broken]


class Report(msgspec.Struct, frozen=True):
    """What became of a load; `loaded` is false when the topic held it already."""

    file: str
    topic: str
    digest: str
    rows: int
    broken: int
    loaded: bool
    seconds: float

    def __str__(self) -> str:
        """Return a sentence for people."""
        if not self.loaded:
            return f"{self.topic} holds the {self.rows:,} rows of {self.file} already (--again loads them once more)"
        skipped = f", {self.broken:,} broken rows skipped" if self.broken else ""
        return f"{self.rows:,} rows of {self.file} loaded into {self.topic} in {self.seconds:.1f} s{skipped}"


def load(settings: Settings, wanted: Load) -> Report:
    """Load the file unless the topic holds it. Raises InputError before anything is sent, KafkaError."""
    began = time.monotonic()
    plan = survey(wanted)
    admin = Admin(settings.kafka)
    fresh = admin.create_topic(
        wanted.topic, wanted.partitions or DEFAULT_PARTITIONS, settings.topics.replication_factor
    )
    missing = fresh or wanted.again or not is_complete(_last(admin, settings, wanted), plan.digest)
    if missing:
        asyncio.run(_send(settings, wanted, plan))
    return Report(
        file=wanted.file.name,
        topic=wanted.topic,
        digest=plan.digest,
        rows=plan.rows,
        broken=len(plan.broken),
        loaded=missing,
        seconds=round(time.monotonic() - began, 3),
    )


def survey(wanted: Load) -> Plan:
    """Read the file once. Raises InputError when it cannot be read, has no rows, or has broken ones."""
    try:
        with wanted.file.open("rb") as file:
            digest = _digest(wanted, hashlib.file_digest(file, "sha256").hexdigest())
            size = file.tell()
            file.seek(0)
            with shown(f"checking {wanted.file.name}", size) as update:
                return _count(wanted, file, digest, update)
    except OSError as error:
        raise InputError(f"cannot read {wanted.file}: {error.strerror or error}") from error


def keyed(rows: Iterable[Row | Broken], key: str | None) -> Iterator[tuple[Row, bytes | None] | Broken]:
    """Yield each row with its key: the text of the field `key`, or None without one (pure)."""
    for row in rows:
        if isinstance(row, Broken):
            yield row
        elif key is None:
            yield row, None
        else:
            text = _key_text(row.fields.get(key))
            yield (row, text.encode()) if text else Broken(row.line, f"no text or number in the key field {key!r}")


def is_complete(records: Iterable[Record], digest: str) -> bool:
    """Return whether one of the last records of a topic's partitions is the last row of the load `digest` (pure)."""
    wanted = digest.encode()
    for record in records:
        headers = dict(record.headers)
        if headers.get(DIGEST) == wanted and headers.get(ROW) == headers.get(TOTAL):
            return True
    return False


def _count(wanted: Load, file: BinaryIO, digest: str, update: Update) -> Plan:
    rows, broken = 0, []
    for row in keyed(read_rows(file, wanted.layout), wanted.key):
        if isinstance(row, Broken):
            broken.append(row)
            continue
        rows += 1
        update(file.tell(), rows)
        if rows == wanted.limit:
            break
    plan = Plan(digest, rows, file.tell(), broken)
    _refuse(wanted, plan)
    return plan


def _refuse(wanted: Load, plan: Plan) -> None:
    if plan.broken and not wanted.skip_broken:
        lines = [f"line {row.line}: {row.why}" for row in plan.broken[:BROKEN_SHOWN]]
        more = len(plan.broken) - len(lines)
        text = "\n  ".join([*lines, *([f"and {more:,} more"] if more else [])])
        raise InputError(
            f"{wanted.file.name} has {len(plan.broken):,} broken rows, nothing was loaded "
            f"(--skip-broken leaves them out):\n  {text}"
        )
    if not plan.rows:
        raise InputError(f"{wanted.file.name} holds no rows")


def _digest(wanted: Load, content: str) -> str:
    how = (content, wanted.key, wanted.limit, wanted.layout.format, wanted.layout.columns)
    return hashlib.sha256(orjson.dumps(how)).hexdigest()


def _key_text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value)


def _last(admin: Admin, settings: Settings, wanted: Load) -> list[Record]:
    topic = admin.topics([wanted.topic])[wanted.topic]
    if wanted.partitions not in (None, topic.partitions):
        raise InputError(
            f"the topic {topic.name!r} exists with {topic.partitions} partitions, not {wanted.partitions}: "
            "leave --partitions out, or load into another topic"
        )
    partitions = [Partition(topic.name, number) for number in range(topic.partitions)]
    first, ends = admin.offsets(partitions, end=False), admin.offsets(partitions, end=True)
    return last_records(settings.kafka, {place: end for place, end in ends.items() if end > first[place]})


async def _send(settings: Settings, wanted: Load, plan: Plan) -> None:
    producer = Producer(settings.kafka)
    acknowledgements = Acknowledgements()
    pace = Pace(SystemClock(), wanted.rate)
    try:
        with wanted.file.open("rb") as file, shown(f"loading {wanted.file.name}", plan.size) as update:
            for number, (row, key) in enumerate(_good(wanted, file), start=1):
                await pace.wait()
                if number == plan.rows:
                    await acknowledgements.all()
                sent = await producer.begin(wanted.topic, key, row.value, _headers(plan, number))
                await acknowledgements.add(sent, len(row.value))
                update(file.tell(), number)
                if number == plan.rows:
                    break
            await acknowledgements.all()
    finally:
        acknowledgements.forget()
        await producer.close()


def _good(wanted: Load, file: BinaryIO) -> Iterator[tuple[Row, bytes | None]]:
    for row in keyed(read_rows(file, wanted.layout), wanted.key):
        if not isinstance(row, Broken):
            yield row


def _headers(plan: Plan, number: int) -> Headers:
    return ((DIGEST, plan.digest), (ROW, str(number)), (TOTAL, str(plan.rows)))


class Acknowledgements:
    """What was sent and is not acknowledged, bounded in records and bytes."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: deque[tuple[asyncio.Future[None], int]] = deque()
        self._bytes = 0

    async def add(self, sent: asyncio.Future[None], size: int) -> None:
        """Take one more, and wait until all are within the bounds. Raises KafkaError of any that failed."""
        self._waiting.append((sent, size))
        self._bytes += size
        while len(self._waiting) > MAX_RECORDS or self._bytes > MAX_BYTES:
            await self._oldest()

    async def all(self) -> None:
        """Wait for all. Raises KafkaError of any that failed."""
        while self._waiting:
            await self._oldest()

    def forget(self) -> None:
        """Give up waiting for the rest."""
        for sent, _ in self._waiting:
            sent.cancel()

    async def _oldest(self) -> None:
        sent, size = self._waiting.popleft()
        self._bytes -= size
        await sent
