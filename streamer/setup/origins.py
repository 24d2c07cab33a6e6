"""Topics as a run knows them: route, incarnation and epoch, found out once for each topic."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from streamer.batching.desk import Origin
from streamer.errors import SettingsError, SetupError
from streamer.intake.decode import Decoder, Decodes
from streamer.intake.formats import FORMATS
from streamer.intake.parcel import ParcelDecoder
from streamer.intake.route import Route, route_of
from streamer.kafka.admin import Admin, Topic
from streamer.model import BACKLOG, Partition
from streamer.settings import RouteSettings
from streamer.setup.check import Target
from streamer.setup.state import EpochList

NO_EPOCH = 1
"""Of a topic whose records' versions do not depend on it."""


def routes_of(settings: Sequence[RouteSettings], targets: Mapping[str, Target]) -> dict[str, Route]:
    """Return the routes by name, with what `check` found for each."""
    return {
        route.name: route_of(
            route,
            concrete_index=targets[route.name].index,
            pipeline_revision=targets[route.name].pipeline_revision,
            model=targets[route.name].model,
        )
        for route in settings
    }


def route_for(routes: Mapping[str, Route], topic: str) -> Route:
    """Return the one route that takes `topic`. Raises SettingsError when none or several do."""
    found = [route for route in routes.values() if route.takes(topic)]
    if len(found) != 1:
        names = ", ".join(route.name for route in found) or "none"
        raise SettingsError(
            f"the topic {topic!r} must be taken by one route, not by {names}: mend `topics` of the routes"
        )
    return found[0]


class Origins:
    """Asks Kafka and the state index about topics, and remembers."""

    def __init__(
        self, admin: Admin, epochs: EpochList, routes: Mapping[str, Route], parcels: Mapping[str, str]
    ) -> None:
        """Know the topics that `routes` take, and those that hold `parcels`, with what stands for their route."""
        self._admin, self._epochs, self._routes, self._parcels = admin, epochs, routes, parcels
        self._known: dict[str, Origin] = {}
        self.topic_ids: dict[str, str] = {}

    async def open(self) -> None:
        """Look at the topics that are named, so that what is wrong is known before a record is taken.

        Raises what `find` raises.
        """
        for topic in self._parcels:
            await self.find(topic)
        for route in self._routes.values():
            for topic in route.topics:
                if not topic.startswith("^"):
                    await self.find(topic)

    async def find(self, topic: str) -> Origin:
        """Return what is known of `topic`, opening its epoch when it is new.

        Raises SetupError when the topic does not exist, StateError, KafkaError, ElasticError.
        """
        if topic not in self._known:
            self._known[topic] = await self._ask(topic)
            self.topic_ids[topic] = self._known[topic].topic_id
        return self._known[topic]

    async def _ask(self, name: str) -> Origin:
        topic = (await asyncio.to_thread(self._admin.topics, [name])).get(name)
        if name in self._parcels:
            return self._own(name, topic)
        route = route_for(self._routes, name)
        if topic is None:
            raise SetupError(
                f"the topic {name!r} of route {route.name!r} does not exist: create it, or load a file into it"
            )
        starts = await asyncio.to_thread(self._starts, topic)
        epoch = await self._epochs.epoch_of(topic, starts, route.index)
        return Origin(route.name, _decoder(route), topic.id, epoch)

    def _own(self, name: str, topic: Topic | None) -> Origin:
        """Return what is known of a topic that holds parcels; they bring their epochs, so it needs none."""
        if topic is None:
            raise SetupError(f"the topic {name!r} is missing, run `streamer setup`")
        decoders = {route.name: _decoder(route) for route in self._routes.values()}
        return Origin(
            self._parcels[name], ParcelDecoder(decoders, owed=self._parcels[name] == BACKLOG), topic.id, NO_EPOCH
        )

    def _starts(self, topic: Topic) -> dict[int, int]:
        partitions = [Partition(topic.name, number) for number in range(topic.partitions)]
        offsets = self._admin.offsets(partitions, end=False)
        return {partition.number: offset for partition, offset in offsets.items()}


def _decoder(route: Route) -> Decodes:
    return Decoder(route, FORMATS[route.format]())
