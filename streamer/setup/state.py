"""The state index: epochs, read and written so that two instances that start at once agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

import schemas
from streamer.clock import Clock
from streamer.elastic import Elastic
from streamer.errors import ElasticRefused, SetupDifference, SetupError, StateError
from streamer.kafka.admin import Topic
from streamer.setup.epochs import (
    Epoch,
    current_epoch,
    epoch_id,
    next_epoch,
    refuse_newer,
    refuse_without_state,
)
from streamer.setup.mapping import mapping_differences
from streamer.setup.step import Say, Step

Json = dict[str, Any]

HTTP_NOT_FOUND = 404
HTTP_CONFLICT = 409
NO_INDEX = "index_not_found_exception"
KEEP = "change nothing by hand here; run the version of the streamer that made it, or restore it from a snapshot"


async def ensure_state_index(elastic: Elastic, name: str, say: Say) -> None:
    """Make the state index. Raises StateError when it is newer than the program, SetupDifference, ElasticError."""
    found = await elastic.find(f"/{name}", flat_settings="true")
    if found is None:
        await elastic.put(f"/{name}", schemas.body("state"))
    else:
        judge_state_index(name, found)
    say(Step("state index", name, "created" if found is None else "exists"))


def judge_state_index(name: str, found: Json) -> None:
    """Raise StateError or SetupDifference when `found` (the answer to `GET /NAME`) is not our state index (pure)."""
    mappings = next(iter(found.values())).get("mappings", {})
    refuse_newer(int(mappings.get("_meta", {}).get("schema_version", 0)), f"the state index {name!r}")
    if lines := mapping_differences(schemas.body("state")["mappings"], mappings):
        raise SetupDifference("state index", name, lines, KEEP)


class EpochList:
    """The epochs of the topics of one Kafka cluster."""

    def __init__(self, elastic: Elastic, state_index: str, cluster_id: str, clock: Clock) -> None:
        """Read and write epochs of the Kafka cluster `cluster_id` in `state_index`."""
        self._elastic = elastic
        self._index = state_index
        self._cluster = cluster_id
        self._clock = clock

    async def epoch_of(self, topic: Topic, starts: Mapping[int, int], alias: str) -> int:
        """Return the epoch of `topic`, opening a new one when its topic id is new.

        `starts` are the first offsets of its partitions, `alias` is the index that its records go to. Raises
        StateError (partitions grew, state lost or newer), SetupError without the state index, ElasticError.
        """
        known = await self._known(topic.name)
        if not known and (documents := await self._documents(alias, topic.name)):
            # Another instance may have opened the epoch and indexed since we looked.
            known = await self._known(topic.name)
            refuse_without_state(topic.name, alias, 0 if known else documents)
        while (current := current_epoch(known, topic)) is None:
            await self._open(next_epoch(known, topic, self._cluster, starts, self._clock.now_ms()))
            known = await self._known(topic.name)
        return current.epoch

    async def _known(self, topic: str) -> list[Epoch]:
        known: list[Epoch] = []
        while (epoch := await self._get(epoch_id(self._cluster, topic, len(known) + 1))) is not None:
            known.append(epoch)
        return known

    async def _get(self, document_id: str) -> Epoch | None:
        try:
            answer = await self._elastic.get(f"/{self._index}/_doc/{quote(document_id, safe='')}")
        except ElasticRefused as error:
            if error.status != HTTP_NOT_FOUND:
                raise
            if error.kind == NO_INDEX:
                raise SetupError(f"the state index {self._index!r} is missing, run `streamer setup`") from error
            return None
        return parse_epoch(document_id, answer["_source"])

    async def _open(self, epoch: Epoch) -> None:
        path = f"/{self._index}/_create/{quote(epoch_id(self._cluster, epoch.topic, epoch.epoch), safe='')}"
        try:
            await self._elastic.put(path, msgspec.to_builtins(epoch))
        except ElasticRefused as error:
            # Another instance was faster; what it wrote is read next.
            if error.status != HTTP_CONFLICT:
                raise

    async def _documents(self, alias: str, topic: str) -> int:
        answer = await self._elastic.post(f"/{alias}/_count", {"query": {"term": {"_streamer.topic": topic}}})
        return int(answer["count"])


def parse_epoch(document_id: str, source: Json) -> Epoch:
    """Return the epoch in a state document (pure). Raises StateError when it is newer than the program or broken."""
    refuse_newer(int(source.get("schema_version", 0)), f"the state document {document_id!r}")
    try:
        return msgspec.convert(source, Epoch)
    except msgspec.ValidationError as error:
        raise StateError(f"the state document {document_id!r} is broken ({error}): {KEEP}") from error
