"""What was done with dead letters, noted in the state index: Kafka keeps them all until their retention ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import orjson

from streamer.clock import Clock
from streamer.elastic import Elastic
from streamer.errors import StateError
from streamer.kafka.admin import Topic
from streamer.model import SCHEMA_VERSION
from streamer.tools.letters import Letter

Deed = Literal["redriven", "discarded"]

NOTED = frozenset({201, 409})
"""Statuses of a note that is there: written, or written before."""


class Notes:
    """Notes about the letters of one dead-letter topic; made anew it is another topic, with notes of its own."""

    def __init__(self, elastic: Elastic, state_index: str, cluster_id: str, topic: Topic, clock: Clock) -> None:
        """Read and write notes about `topic` of the Kafka cluster `cluster_id` in `state_index`."""
        self._elastic, self._index, self._clock = elastic, state_index, clock
        self._cluster, self._topic = cluster_id, topic

    async def deeds(self, letters: Sequence[Letter]) -> list[Deed | None]:
        """Return what was done with each of `letters`. Raises StateError, ElasticError."""
        if not letters:
            return []
        body = {"ids": [self.id_of(letter) for letter in letters]}
        answer = await self._elastic.post(f"/{self._index}/_mget", body, _source_includes="action")
        return [self._deed(entry) for entry in answer["docs"]]

    async def write(self, letters: Sequence[Letter], deed: Deed) -> None:
        """Note that `letters` were dealt with; a note that is there already stays. Raises StateError, ElasticError."""
        if not letters:
            return
        now = self._clock.now_ms()
        lines = [line for letter in letters for line in self._lines(letter, deed, now)]
        answer = await self._elastic.bulk(b"".join(line + b"\n" for line in lines), "items.*.status,items.*.error")
        wrong = [item["create"] for item in answer["items"] if item["create"]["status"] not in NOTED]
        if wrong:
            raise StateError(
                f"{len(wrong)} of {len(letters)} dead letters were {deed}, but {self._index!r} did not take the note "
                f"({wrong[0].get('error')}): they are listed again; to redrive one twice changes nothing"
            )

    def id_of(self, letter: Letter) -> str:
        """Return the id of the note about `letter`."""
        record = letter.carrier
        return f"letter:{self._cluster}:{self._topic.id}:{record.partition.number}:{record.offset}"

    def _lines(self, letter: Letter, deed: Deed, now_ms: int) -> tuple[bytes, bytes]:
        record = letter.carrier
        note = {
            "kind": "letter",
            "schema_version": SCHEMA_VERSION,
            "cluster_id": self._cluster,
            "topic": record.partition.topic,
            "topic_id": self._topic.id,
            "partition": record.partition.number,
            "offset": record.offset,
            "action": deed,
            "at_ms": now_ms,
        }
        return orjson.dumps({"create": {"_index": self._index, "_id": self.id_of(letter)}}), orjson.dumps(note)

    def _deed(self, entry: dict[str, object]) -> Deed | None:
        if "found" not in entry:
            raise StateError(f"the notes about dead letters in {self._index!r} cannot be read: {entry.get('error')}")
        source = entry.get("_source")
        if not isinstance(source, dict):
            return None
        return "redriven" if source.get("action") == "redriven" else "discarded"
