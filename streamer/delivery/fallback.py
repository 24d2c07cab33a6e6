"""While inference is down: index without tokens at once, and owe the tokens to the backlog topic."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import orjson

from streamer.admission.gate import Gate
from streamer.batching.books import Books
from streamer.errors import BacklogUndelivered, KafkaError
from streamer.intake.identity import lexical_version
from streamer.intake.parcel import Parcel, fields, key_of
from streamer.intake.route import Route
from streamer.kafka.producer import Producer
from streamer.model import PLAIN, Write


class Fallback:
    """Which writes go without tokens, and since when inference must be down for that."""

    def __init__(self, routes: Mapping[str, Route], topic: str, after_s: float, producer: Producer) -> None:
        """Serve the routes that ask for it, `after_s` seconds into a hold; what is owed goes to `topic`."""
        self._routes = frozenset(name for name, route in routes.items() if route.lexical)
        self._topic, self._after_s, self._producer = topic, after_s, producer

    def applies(self, gate: Gate) -> bool:
        """Return whether the deployment behind `gate` is down for long enough, while Elasticsearch itself works."""
        return bool(self._routes) and gate.down_for() >= self._after_s

    def covers(self, write: Write) -> bool:
        """Return whether `write` may go without tokens; what the backlog brings has been indexed so already."""
        return write.route in self._routes and write.inputs > 0 and not write.owed

    def without_tokens(self, write: Write) -> Write:
        """Return the lexical form of `write`: a lower version than its complete form, and no hash of its text."""
        if not self.covers(write):
            return write
        form = {"version": lexical_version(write.version), "lane": PLAIN, "inputs": 0, "text_hash": ""}
        return msgspec.structs.replace(write, **form, lexical=True, unasked=False)

    def divert(self, books: Books, lane: str) -> None:
        """Turn what waits in `lane` into its lexical form."""
        books.change(lane, self.without_tokens)

    async def owe(self, write: Write, topic_id: str) -> None:
        """Put `write` on the backlog. Raises BacklogUndelivered if it is not acknowledged."""
        parcel = Parcel(write.record, write.route, topic_id, write.epoch, write.attempts)
        try:
            await self._producer.send(
                self._topic, key_of(write.route, write.id, write.record), orjson.dumps(fields(parcel))
            )
        except KafkaError as error:
            place = f"{write.partition} at {write.carrier.offset}"
            raise BacklogUndelivered(f"the backlog did not acknowledge {place}: {error}") from error
