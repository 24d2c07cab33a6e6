"""While the stream runs: are the topics still those that it began with, and their epochs still there."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from streamer import logs
from streamer.errors import ElasticError, KafkaError
from streamer.runtime import Runtime
from streamer.setup.origins import Origins

log = logs.get("topics")


class Watch:
    """Looks every so many seconds. A topic that was made again is silent otherwise: librdkafka does not notice."""

    def __init__(self, origins: Origins, renew: Callable[[Iterable[str]], None], runtime: Runtime) -> None:
        """Look at what `origins` knows; `renew` gives the partitions of topics up and takes them on anew."""
        self._origins, self._renew, self._clock = origins, renew, runtime.clock

    async def run(self, seconds: float) -> None:
        """Look every `seconds` until cancelled.

        Raises StateError when a topic has grown or its epochs are gone. A cluster that does not answer is asked again.
        """
        while True:
            await self._clock.sleep(seconds)
            try:
                await self.look()
            except (KafkaError, ElasticError) as error:
                log.warning("could not look at the topics", error=str(error))

    async def look(self) -> None:
        """Look once. Raises StateError, KafkaError, ElasticError."""
        self._renew(await self._origins.changed())
        await self._origins.verify()
