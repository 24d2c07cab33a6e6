"""Looks at a deployment's statistics from time to time and tells its limit; without them the limit goes on alone."""

from __future__ import annotations

from collections.abc import Callable

from streamer import logs
from streamer.admission.capacity import Capacity, busy_share, capacity_of
from streamer.admission.limit import Limit
from streamer.elastic import Elastic
from streamer.errors import ElasticError, SetupDifference
from streamer.metrics import ALLOCATIONS, BUSY, PENDING
from streamer.runtime import Runtime

log = logs.get("admission")

SHARE_SECONDS = 0.25
"""A rebalance must not leave two instances with windows for the same partitions until the next look."""


class Watcher:
    """Follows one deployment; needs the privilege `monitor_ml`, and does without it."""

    def __init__(
        self, elastic: Elastic, deployment: str, limit: Limit, runtime: Runtime, *, model: str | None = None
    ) -> None:
        """Watch `deployment` for `limit`; it must stay of `model`, or of the first one seen when that is None."""
        self._elastic, self._deployment, self._limit = elastic, deployment, limit
        self._model = model
        self._clock, self._meter, self._bell = runtime.clock, runtime.meter, runtime.bell
        self._spawn = runtime.spawn
        self.capacity: Capacity | None = None
        self.busy: float | None = None
        self._seen_at = 0.0
        self._complained = False
        self.share: Callable[[], float] = _all
        """Which part of the deployment's work is ours."""

    async def run(self, interval: float) -> None:
        """Look every `interval` seconds until cancelled. Raises what `look` raises."""
        self._spawn(self._follow_share())
        while True:
            await self.look()
            self._bell.ring()
            await self._clock.sleep(interval)

    async def _follow_share(self) -> None:
        while True:
            self._limit.set_share(self.share())
            await self._clock.sleep(SHARE_SECONDS)

    async def look(self) -> None:
        """Read the statistics once. Raises SetupDifference when another model has taken the deployment's name."""
        capacity = await self._read()
        self._hold_model(capacity)
        now = self._clock.monotonic()
        self.busy = None
        if capacity is not None and self.capacity is not None:
            self.busy = busy_share(self.capacity, capacity, now - self._seen_at)
        self.capacity, self._seen_at = capacity, now
        self._limit.set_share(self.share())
        self._limit.on_capacity(capacity, now)
        self._show()

    def _hold_model(self, capacity: Capacity | None) -> None:
        """Tokens of two models in one index cannot be compared, and nothing in an answer tells them apart."""
        if capacity is None or not capacity.model:
            return
        self._model = self._model or capacity.model
        if capacity.model != self._model:
            lines = [f"model_id: {self._model!r} expected, {capacity.model!r} found"]
            way_out = "start the deployment with the model of the settings again, or index anew with the other one"
            raise SetupDifference("deployment", self._deployment, lines, way_out)

    async def _read(self) -> Capacity | None:
        try:
            stats = await self._elastic.get(f"/_ml/trained_models/{self._deployment}/_stats", allow_no_match="true")
        except ElasticError as error:
            if not self._complained:
                log.warning("no statistics", deployment=self._deployment, error=str(error))
            self._complained = True
            return None
        self._complained = False
        return capacity_of(stats, self._deployment)

    def _show(self) -> None:
        capacity = self.capacity
        self._meter.set(ALLOCATIONS, capacity.allocations if capacity else 0, self._deployment)
        self._meter.set(PENDING, capacity.pending if capacity else 0, self._deployment)
        self._meter.set(BUSY, self.busy or 0.0, self._deployment)


def _all() -> float:
    return 1.0
