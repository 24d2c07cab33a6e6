"""Topics as a run knows them: route, incarnation and epochs, found out once for each incarnation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from streamer import logs
from streamer.batching.lease import Origin
from streamer.errors import ElasticError, KafkaError, SettingsError, SetupError
from streamer.intake.decode import Decoder, Decodes
from streamer.intake.formats import FORMATS
from streamer.intake.parcel import ParcelDecoder
from streamer.intake.route import Route, route_of
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Admin, Topic
from streamer.model import BACKLOG, Partition
from streamer.settings import RouteSettings
from streamer.setup.check import Target
from streamer.setup.epochs import refuse_grown, refuse_lost
from streamer.setup.state import EpochList

NO_EPOCH = 1
"""Of a topic whose records' versions do not depend on it."""

log = logs.get("topics")


def routes_of(settings: Sequence[RouteSettings], targets: Mapping[str, Target]) -> dict[str, Route]:
    """Return the routes by name, with what `check` found for each."""
    return {
        route.name: route_of(
            route,
            concrete_index=targets[route.name].index,
            pipeline_revision=targets[route.name].pipeline_revision,
            model=targets[route.name].model,
            reuse=targets[route.name].reuse,
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
        self._absent: set[str] = set()
        self.topic_ids: dict[str, str] = {}

    async def open(self) -> None:
        """Look at the topics that are named, so that what is wrong is known before a record is taken.

        Raises SetupError when a topic does not exist, and what `find` raises.
        """
        for topic in self._parcels:
            if await self.find(topic) is None:
                raise SetupError(f"the topic {topic!r} is missing, run `streamer setup`")
        for route in self._routes.values():
            for topic in route.topics:
                if not topic.startswith("^") and await self.find(topic) is None:
                    raise SetupError(
                        f"the topic {topic!r} of route {route.name!r} does not exist: create it, or load a file into it"
                    )

    async def of(self, partition: Partition) -> Origin | None:
        """Return what is known of the topic of `partition`.

        None while there is no such topic or partition, or nobody who can tell: `changed` names it when it is time to
        ask again. Raises SettingsError, StateError.
        """
        try:
            origin = await self.find(partition.topic)
            if origin is not None and partition.number not in origin.timeline:
                # Since we looked, the topic has grown, or it is another one.
                self._forget(partition.topic)
                origin = await self.find(partition.topic)
        except (KafkaError, ElasticError) as error:
            log.warning("cannot tell what this topic is now", topic=partition.topic, error=str(error))
            self._absent.add(partition.topic)
            return None
        return origin if origin is not None and partition.number in origin.timeline else None

    async def find(self, topic: str) -> Origin | None:
        """Return what is known of `topic`, opening its epoch when it is new; None when it does not exist (now).

        Raises SettingsError, StateError, KafkaError, ElasticError.
        """
        if topic not in self._known:
            origin = await self._ask(topic)
            if origin is None:
                self._absent.add(topic)
                return None
            self._absent.discard(topic)
            self._known[topic], self.topic_ids[topic] = origin, origin.topic_id
        return self._known[topic]

    async def changed(self, names: Iterable[str] | None = None) -> set[str]:
        """Return which of the topics that were looked for (or of `names`) have gone, come back or been made again.

        They are forgotten, so that `find` asks anew. Raises StateError for one that has grown, KafkaError and
        ElasticError.
        """
        wanted = {*self._known, *self._absent} if names is None else set(names)
        found = await asyncio.to_thread(self._admin.topics, sorted(wanted)) if wanted else {}
        changed = {name for name in wanted if self._has_changed(name, found.get(name))}
        for name in wanted - changed:
            if name in self._known:
                await self._refuse_grown(found[name], self._known[name].timeline)
        for name in changed:
            what = "gone, waiting for it" if name not in found else "made again" if name in self._known else "back"
            log.warning("a topic is not what it was", topic=name, now=what)
            self._forget(name)
        self._absent = (self._absent | changed) - found.keys()
        return changed

    async def is_another(self, topic: str) -> bool:
        """Return whether `topic` has been made again, or is gone, since we looked. Raises what `changed` raises.

        Of one that was forgotten meanwhile, who found that out has said it; it will be looked at anew.
        """
        return topic in self._known and bool(await self.changed([topic]))

    async def first_offset(self, partition: Partition) -> int:
        """Return the first offset that Kafka still has. Raises KafkaError."""
        return (await asyncio.to_thread(self._admin.offsets, [partition], end=False))[partition]

    def epochs_of(self, topic: str) -> frozenset[int]:
        """Return the epochs that a record of `topic` can have, as far as it is known."""
        origin = self._known.get(topic)
        return origin.timeline.epochs if origin else frozenset()

    def partitions(self, routes: frozenset[str]) -> int:
        """Return how many partitions the topics of `routes` have, as far as they are known."""
        return sum(len(origin.timeline) for origin in self._known.values() if origin.route in routes)

    async def verify(self) -> None:
        """Raise StateError when an epoch that records were taken under is gone from the state index; ElasticError."""
        for topic, origin in list(self._known.items()):
            if topic in self._parcels:
                continue
            try:
                known = await self._epochs.known(topic)
            except SetupError:
                known = []
            refuse_lost(known, origin.timeline, topic, self._routes[origin.route].index)

    def _has_changed(self, name: str, topic: Topic | None) -> bool:
        origin = self._known.get(name)
        if origin is None:
            return topic is not None
        return topic is None or topic.id != origin.topic_id

    def _forget(self, topic: str) -> None:
        self._known.pop(topic, None)

    async def _ask(self, name: str) -> Origin | None:
        topic = (await asyncio.to_thread(self._admin.topics, [name])).get(name)
        if name in self._parcels:
            return self._own(topic) if topic else None
        route = route_for(self._routes, name)
        if topic is None:
            return None
        starts = await self._offsets(topic, topic.partitions, end=False)
        timeline = await self._epochs.timeline_of(topic, starts, route.index)
        if timeline is None:
            log.warning("a broker names a topic that has been made again since", topic=name, topic_id=topic.id)
            return None
        await self._refuse_grown(topic, timeline)
        return Origin(route.name, _decoder(route), topic.id, timeline)

    def _own(self, topic: Topic) -> Origin:
        """Return what is known of a topic that holds parcels; they bring their epochs, so it needs none."""
        owner = self._parcels[topic.name]
        decoders = {route.name: _decoder(route) for route in self._routes.values()}
        timeline = Timeline(dict.fromkeys(range(topic.partitions), ((0, NO_EPOCH),)))
        return Origin(owner, ParcelDecoder(decoders, owed=owner == BACKLOG), topic.id, timeline)

    async def _refuse_grown(self, topic: Topic, timeline: Timeline) -> None:
        if topic.partitions > len(timeline) and topic.name not in self._parcels:
            await self._epochs.note_growth(topic, await self._offsets(topic, len(timeline), end=True))
            refuse_grown(timeline, topic)

    async def _offsets(self, topic: Topic, count: int, *, end: bool) -> dict[int, int]:
        partitions = [Partition(topic.name, number) for number in range(count)]
        offsets = await asyncio.to_thread(self._admin.offsets, partitions, end=end)
        return {partition.number: offset for partition, offset in offsets.items()}


class OldOrigins(Origins):
    """Knows topics that have grown by their old partitions, so that these can be drained."""

    async def _refuse_grown(self, topic: Topic, timeline: Timeline) -> None:
        pass


def _decoder(route: Route) -> Decodes:
    return Decoder(route, FORMATS[route.format]())
