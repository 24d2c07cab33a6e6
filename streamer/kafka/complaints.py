"""What librdkafka complains about, told once in a while: it tries again many times a second while a broker is away."""

from __future__ import annotations

from confluent_kafka import KafkaError as ClientError

from streamer import logs
from streamer.clock import Clock

QUIET_S = 10.0
"""How long the same complaint of the same client is not repeated."""

log = logs.get("kafka")


class Complaints:
    """Those of one client. An error that ends something is raised where it does; these are about what passes."""

    def __init__(self, client: str, clock: Clock) -> None:
        """Tell of `client`, such as `consumer`."""
        self._client, self._clock = client, clock
        self._told: dict[str, float] = {}
        self._suppressed: dict[str, int] = {}

    def hear(self, error: ClientError) -> None:
        """Log `error`, or count it when its like was logged within the last seconds."""
        code, now = error.name(), self._clock.monotonic()
        if code in self._told and now < self._told[code] + QUIET_S:
            self._suppressed[code] = self._suppressed.get(code, 0) + 1
            return
        self._told[code] = now
        suppressed = self._suppressed.pop(code, 0)
        log.warning("kafka error", client=self._client, error=error.str(), code=code, suppressed=suppressed)
