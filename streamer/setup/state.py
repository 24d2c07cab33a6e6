"""The state index: epochs and marks, read and written so that two instances that start at once agree.

It is reached through an alias, and written only if that alias is there: a server that makes missing indices by itself
would put one with a wrong mapping in its place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

import schemas
from streamer.clock import Clock
from streamer.elastic import Elastic
from streamer.errors import ElasticRefused, SetupDifference, SetupError, StateError
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Topic
from streamer.setup.epochs import (
    Epoch,
    Mark,
    epoch_id,
    is_replaced,
    mark_id,
    next_epoch,
    refuse_newer,
    refuse_without_state,
    texts,
    timeline_of,
)
from streamer.setup.mapping import mapping_differences
from streamer.setup.step import Say, Step

Json = dict[str, Any]
T = TypeVar("T", Epoch, Mark)

HTTP_NOT_FOUND = 404
HTTP_CONFLICT = 409
NO_INDEX = "index_not_found_exception"
KEEP = "change nothing by hand here; run the version of the streamer that made it, or restore it from a snapshot"


def first_state_index(alias: str) -> str:
    """Return the name of the index that `setup` makes behind the alias of the state index."""
    return f"{alias}-000001"


async def ensure_state_index(elastic: Elastic, name: str, say: Say) -> None:
    """Make the state index behind the alias `name`.

    Raises StateError when it is newer than the program, SetupError, SetupDifference, ElasticError.
    """
    found = await elastic.find(f"/{name}", flat_settings="true")
    if found is None:
        await elastic.put(f"/{first_state_index(name)}", schemas.body("state") | {"aliases": {name: {}}})
    else:
        judge_state_index(name, found)
    say(Step("state index", name, "created" if found is None else "exists"))


def judge_state_index(name: str, found: Json) -> None:
    """Judge `found`, the answer to `GET /NAME` (pure).

    Raises SetupError unless it is one index behind an alias, StateError when that is newer, SetupDifference.
    """
    if name in found or len(found) != 1:
        raise SetupError(
            f"{name!r} must be an alias of one state index, and is {', '.join(sorted(found))}: give `state_index` "
            f"another name, or reindex the state into {first_state_index(name)!r} and put the alias on that alone"
        )
    mappings = next(iter(found.values())).get("mappings", {})
    refuse_newer(int(mappings.get("_meta", {}).get("schema_version", 0)), f"the state index {name!r}")
    if lines := mapping_differences(schemas.body("state")["mappings"], mappings):
        raise SetupDifference("state index", name, lines, KEEP)


class EpochList:
    """The epochs of the topics of one Kafka cluster; every method raises ElasticError.

    Without the state index, or when an entry is newer than the program or broken, they raise SetupError and StateError.
    """

    def __init__(self, elastic: Elastic, state_index: str, cluster_id: str, clock: Clock) -> None:
        """Read and write epochs of the Kafka cluster `cluster_id` in `state_index`."""
        self._elastic = elastic
        self._index = state_index
        self._cluster = cluster_id
        self._clock = clock

    async def timeline_of(self, topic: Topic, starts: Mapping[int, int], alias: str) -> Timeline | None:
        """Return the epochs of `topic`, opening one when its topic id is new; None when a later id is known already.

        `starts` are the first offsets of its partitions, `alias` is the index that its records go to. Raises
        StateError when the topic has grown (after noting it), or when the state was lost.
        """
        known = await self.known(topic.name)
        if not known and (documents := await self._documents(alias, topic.name)):
            # Another instance may have opened the epoch and indexed since we looked.
            known = await self.known(topic.name)
            refuse_without_state(topic.name, alias, 0 if known else documents)
        while (timeline := timeline_of(known, topic.id)) is None:
            await self.open(next_epoch(known, topic, self._cluster, starts, self._clock.now_ms()))
            known = await self.known(topic.name)
        return None if is_replaced(known, topic.id) else timeline

    async def known(self, topic: str) -> list[Epoch]:
        """Return all epochs of the topics that had this name, the first one first."""
        known: list[Epoch] = []
        while (epoch := await self._get(epoch_id(self._cluster, topic, len(known) + 1), Epoch)) is not None:
            known.append(epoch)
        return known

    async def open(self, epoch: Epoch) -> None:
        """Write an epoch, unless another instance has written one of its number."""
        await self._create(epoch_id(epoch.cluster_id, epoch.topic, epoch.epoch), epoch)

    async def open_next(self, topic: Topic, starts: Mapping[int, int]) -> None:
        """Write the epoch that follows the known ones of a topic."""
        known = await self.known(topic.name)
        await self.open(next_epoch(known, topic, self._cluster, starts, self._clock.now_ms()))

    async def note_growth(self, topic: Topic, ends: Mapping[int, int]) -> Mark:
        """Note that a topic has more partitions than those with `ends`, and return the first note of that."""
        return await self._note(Mark("growth", self._cluster, topic.name, topic.id, texts(ends), self._clock.now_ms()))

    async def note_boundary(self, topic: Topic, ends: Mapping[int, int]) -> Mark:
        """Let the old epochs of a grown topic end at `ends`, and return the first boundary that was noted."""
        return await self._note(
            Mark("boundary", self._cluster, topic.name, topic.id, texts(ends), self._clock.now_ms())
        )

    async def _note(self, mark: Mark) -> Mark:
        await self._create(mark_id(mark), mark)
        first = await self._get(mark_id(mark), Mark)
        if first is None:
            raise StateError(f"the state document {mark_id(mark)!r} is gone: {KEEP}")
        return first

    async def _get(self, document_id: str, kind: type[T]) -> T | None:
        try:
            answer = await self._elastic.get(f"/{self._index}/_doc/{quote(document_id, safe='')}")
        except ElasticRefused as error:
            if error.status != HTTP_NOT_FOUND:
                raise
            if error.kind == NO_INDEX:
                raise SetupError(f"the state index {self._index!r} is missing, run `streamer setup`") from error
            return None
        return _parse(document_id, answer["_source"], kind)

    async def _create(self, document_id: str, entry: Epoch | Mark) -> None:
        path = f"/{self._index}/_create/{quote(document_id, safe='')}"
        try:
            await self._elastic.put(path, msgspec.to_builtins(entry), require_alias="true")
        except ElasticRefused as error:
            # Another instance was faster; what it wrote is read next.
            if error.status != HTTP_CONFLICT:
                raise

    async def _documents(self, alias: str, topic: str) -> int:
        answer = await self._elastic.post(f"/{alias}/_count", {"query": {"term": {"_streamer.topic": topic}}})
        return int(answer["count"])


def _parse(document_id: str, source: Json, kind: type[T]) -> T:
    refuse_newer(int(source.get("schema_version", 0)), f"the state document {document_id!r}")
    try:
        return msgspec.convert(source, kind)
    except msgspec.ValidationError as error:
        raise StateError(f"the state document {document_id!r} is broken ({error}): {KEEP}") from error
