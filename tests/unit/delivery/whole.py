"""All stages that a report looks at, around the delivery stage with its fakes."""

import json

from streamer.admission.watcher import Watcher
from streamer.batching.desk import Desk
from streamer.batching.lease import Origin
from streamer.delivery.progress import Publisher
from streamer.delivery.report import Parts, Report
from streamer.intake.decode import Decoder
from streamer.intake.formats import Json
from streamer.intake.timeline import Timeline
from streamer.kafka.statistics import Statistics
from streamer.settings import FlowSettings, TopicSettings
from tests.unit.builders import LANE, P0, ROUTE, record

STATISTICS = {
    "rxmsg_bytes": 123,
    "topics": {
        "films": {
            "partitions": {
                "0": {"hi_offset": 50, "committed_offset": 20, "consumer_lag": 30},
                "1": {"hi_offset": 9, "committed_offset": 9, "consumer_lag": 0},
                "-1": {},
            }
        }
    },
}


class Whole:
    def __init__(self, world):
        self.world = world
        self.desk = Desk(world.books, world.runtime, FlowSettings(), self, world.burial.of_rejected)
        statistics = Statistics()
        statistics.learn(json.dumps(STATISTICS))
        self.parts = Parts(
            routes={"films": ROUTE},
            books=world.books,
            desk=self.desk,
            gates=world.gates,
            watchers={LANE: Watcher(None, LANE, world.gate.limit, world.runtime)},
            courier=world.courier,
            window=world.window,
            statistics=statistics,
        )
        self.publisher = Publisher(world.producer, TopicSettings(), "one", self.parts, world.clock)
        self.report = Report(self.parts, "one", world.clock)

    async def of(self, partition):
        return Origin("films", Decoder(ROUTE, Json()), "tid", Timeline({0: ((0, 1),)}))

    async def is_another(self, topic):
        return False

    async def first_offset(self, partition):
        return 5

    async def take(self, *values, first=0):
        """Take records with these values, one after the other."""
        found = [record(first + n, value, b"%d" % (first + n)) for n, value in enumerate(values)]
        return await self.desk.step(found)

    def posted(self, topic):
        return self.world.producer.values(topic)


async def whole(world):
    made = Whole(world)
    await made.desk.assigned([P0], {})
    return made
