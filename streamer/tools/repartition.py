"""The command that goes on with a topic that has got partitions: drain the old ones, then open the next epochs.

Everything that it decides is noted create-only in the state index before it is acted on, so it can be run again after
any end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from streamer.clock import Clock, SystemClock
from streamer.elastic import Elastic
from streamer.errors import GroupNotEmpty, InputError, StateError
from streamer.kafka.admin import Admin, Topic
from streamer.model import Partition
from streamer.settings import Settings
from streamer.setup.check import check
from streamer.setup.epochs import Mark, is_open, starts_after_growth, timeline_of
from streamer.setup.origins import route_for, routes_of
from streamer.setup.state import EpochList

Drain = Callable[[Settings, Mapping[Partition, int]], Awaitable[bool]]
Say = Callable[[str], None]


class Repartitioned(msgspec.Struct, frozen=True):
    """What was done: `boundary` is where the old partitions' next epoch begins; empty if there was nothing to do."""

    topic: str
    partitions: int
    epoch: int
    boundary: dict[int, int]

    def __str__(self) -> str:
        """Return one line for people."""
        if not self.boundary:
            return f"{self.topic}: nothing to do, its {self.partitions} partitions are in epoch {self.epoch} or before"
        ends = ", ".join(f"{number}: {offset}" for number, offset in self.boundary.items())
        return (
            f"{self.topic}: old partitions drained up to ({ends}) and go on in epoch {self.epoch - 1}, "
            f"{self.partitions - len(self.boundary)} new ones begin in epoch {self.epoch}; `streamer run` goes on"
        )


class Repartition:
    """One run of the command."""

    def __init__(self, settings: Settings, admin: Admin, epochs: EpochList, clock: Clock, say: Say) -> None:
        """Work with `epochs`, and tell each step to `say`."""
        self._settings, self._admin, self._epochs, self._clock, self._say = settings, admin, epochs, clock, say

    async def do(self, name: str, producers_know_after_s: float, drain: Drain) -> Repartitioned:
        """Go on with the topic `name`. Raises GroupNotEmpty, StateError, InputError, KafkaError, ElasticError."""
        topic = await self._topic(name)
        timeline = timeline_of(await self._epochs.known(name), topic.id)
        if timeline is None:
            raise InputError(f"no record of the topic {name!r} was ever taken: `streamer run` begins with it")
        if topic.partitions <= len(timeline):
            return Repartitioned(name, len(timeline), timeline.newest, {})
        await self._require_empty_group()
        boundary = await self._boundary(topic, len(timeline), producers_know_after_s)
        ends = {Partition(name, number): offset for number, offset in boundary.ends().items()}
        self._say(f"draining {len(ends)} partitions of {name}")
        if not await drain(self._settings, ends):
            raise StateError(f"{name} was not drained to its end: run `streamer repartition {name}` again")
        return await self._open(topic, boundary)

    async def _topic(self, name: str) -> Topic:
        topic = (await asyncio.to_thread(self._admin.topics, [name])).get(name)
        if topic is None:
            raise InputError(f"there is no topic {name!r}")
        return topic

    async def _require_empty_group(self) -> None:
        group = self._settings.kafka.group_id
        if members := await asyncio.to_thread(self._admin.members, group):
            names = ", ".join(sorted({f"{member['client']} on {member['host']}" for member in members}))
            raise GroupNotEmpty(
                f"the group {group!r} has {len(members)} members ({names}): stop every instance and run this again; "
                "one that was killed, or has a group_instance_id, counts until its session times out"
            )

    async def _boundary(self, topic: Topic, old: int, producers_know_after_s: float) -> Mark:
        """Return where the old partitions' next epoch begins: where the last producer learned of the new ones."""
        partitions = [Partition(topic.name, number) for number in range(old)]
        growth = await self._epochs.note_growth(topic, await self._ends(partitions))
        learned_ms = growth.created_at_ms + int(producers_know_after_s * 1_000)
        if (wait := (learned_ms - self._clock.now_ms()) / 1_000) > 0:
            self._say(f"waiting {wait:.0f} s until every producer knows of the new partitions (--producers-know-after)")
            await self._clock.sleep(wait)
            await self._require_empty_group()
        ends = await self._ends(partitions)
        at = await asyncio.to_thread(self._admin.offsets_at, partitions, learned_ms)
        learned = {one.number: at[one] if at[one] >= 0 else ends[one.number] for one in partitions}
        # Timestamps are the producers' own; what was there when the growth was seen belongs to the old epoch anyway.
        starts = {number: max(offset, growth.ends()[number]) for number, offset in learned.items()}
        return await self._epochs.note_boundary(topic, starts)

    async def _ends(self, partitions: list[Partition]) -> dict[int, int]:
        ends = await asyncio.to_thread(self._admin.offsets, partitions, end=True)
        return {partition.number: offset for partition, offset in ends.items()}

    async def _open(self, topic: Topic, boundary: Mark) -> Repartitioned:
        for starts in starts_after_growth(boundary, topic.partitions):
            if not is_open(await self._epochs.known(topic.name), topic.id, starts):
                await self._epochs.open_next(topic, starts)
        timeline = timeline_of(await self._epochs.known(topic.name), topic.id)
        if timeline is None or len(timeline) < topic.partitions:
            raise StateError(f"the epochs of {topic.name!r} were changed by somebody else: run this again")
        return Repartitioned(topic.name, topic.partitions, timeline.newest, boundary.ends())


async def repartition(
    settings: Settings, topic: str, producers_know_after_s: float, drain: Drain, say: Say
) -> Repartitioned:
    """Go on with `topic`, which has got partitions since its epoch began; `drain` is the pipeline's.

    Raises SettingsError for a topic of no route, SetupError, GroupNotEmpty while an instance runs, StateError,
    InputError, KafkaError, ElasticError.
    """
    elastic = Elastic(settings.elasticsearch)
    try:
        route_for(routes_of(settings.routes, await check(elastic, settings)), topic)
        admin, clock = Admin(settings.kafka), SystemClock()
        epochs = EpochList(elastic, settings.state_index, await asyncio.to_thread(admin.cluster_id), clock)
        return await Repartition(settings, admin, epochs, clock, say).do(topic, producers_know_after_s, drain)
    finally:
        await elastic.close()
