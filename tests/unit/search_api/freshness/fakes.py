"""A Kafka and an index for the freshness service, in virtual time: what happens in them is up to the test."""

import asyncio
from contextlib import asynccontextmanager

import msgspec

from search_api.app import create_meter
from search_api.freshness.index import Facts
from search_api.freshness.log import Bounds, Sample
from search_api.freshness.model import FreshnessWish
from search_api.freshness.service import FreshnessService
from search_api.freshness.settings import FreshnessSettings
from streamer.errors import KafkaUnavailable
from tests.fakes.clock import LoopClock
from tests.unit.search_api.freshness.model import ALIAS, PARTITIONS, TOPIC, event

P0 = PARTITIONS[0]


class FakeKafka:
    def __init__(self, clock):
        self.clock = clock
        self.topic_id = "A"
        self.high = 0
        self.samples = 0
        self.down = False
        self.take = None

    async def sample(self, topics):
        assert topics == {TOPIC}
        at = self.clock.monotonic()
        await asyncio.sleep(0.01)
        if self.down:
            raise KafkaUnavailable
        self.samples += 1
        return Sample(at, {TOPIC: self.topic_id}, {P0: Bounds(0, self.high)})

    async def follow(self, take):
        self.take = take
        await asyncio.Event().wait()


class FakeIndex:
    def __init__(self, clock):
        self.clock = clock
        self.failure = None
        self.refreshes = []
        self.slow_s = 0.001
        self.answer = Facts(0, 1.0)

    async def facts(self, alias):
        assert alias == ALIAS
        await asyncio.sleep(self.slow_s)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def refresh(self, alias):
        assert alias == ALIAS
        self.refreshes.append(self.clock.monotonic())
        await asyncio.sleep(0.02)
        if self.failure:
            raise self.failure


class World:
    def __init__(self, **settings):
        self.clock = LoopClock()
        self.kafka, self.index = FakeKafka(self.clock), FakeIndex(self.clock)
        sources = {"films": (ALIAS, [TOPIC]), "silent": ("silent", [])}
        self.meter = create_meter()
        self.service = FreshnessService(
            FreshnessSettings(**settings), sources, self.kafka, self.index, self.clock, meter=self.meter
        )

    def append(self, records=1):
        """Append, and return the position of the last one."""
        self.kafka.high += records
        return f"{P0}@{self.kafka.high - 1}"

    def tell(self, watermark=None, **fields):
        """Hand an event over that says that everything is done."""
        watermark = self.kafka.high if watermark is None else watermark
        fields = {"topic_id": self.kafka.topic_id, "at_ms": self.clock.now_ms()} | fields
        self.kafka.take([msgspec.json.encode(event(watermark, **fields))])

    async def ask(self, **wish):
        """Return what is noted for a search, the same way as a search does."""
        return await self.service.before("films", FreshnessWish(**wish))

    def later(self, seconds, do):
        asyncio.get_running_loop().call_later(seconds, do)


@asynccontextmanager
async def world(**settings):
    made = World(**settings)
    made.service.start()
    await asyncio.sleep(0.05)
    try:
        yield made
    finally:
        await made.service.close()


def states(note):
    return [state for _, state in note.positions]
