"""Query expansion: a text becomes weighted tokens through an inference endpoint, once for all who ask the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any

from search_api.elastic import Door
from search_api.errors import InferenceUnavailable, QueryNotEncodable
from search_api.inference.breaker import Breaker, Outcome, State, Ticket
from search_api.inference.cache import Cache
from search_api.inference.models import Models
from search_api.metrics import BREAKER_OPEN, EXPANSION_ENTRIES, EXPANSION_FAILURES, EXPANSIONS
from search_api.model import Tokens
from search_api.settings import ExpansionSettings
from streamer import logs
from streamer.clock import Clock
from streamer.metrics import Sample

OPENNESS = {State.CLOSED: 0.0, State.HALF_OPEN: 0.5, State.OPEN: 1.0}

log = logs.get("search_api")


class Expansion:
    """Tokens of query texts, kept by model and text, with a breaker for each endpoint."""

    def __init__(self, door: Door, clock: Clock, settings: ExpansionSettings) -> None:
        """Infer through `door` what is not kept."""
        self._door, self._clock, self._settings = door, clock, settings
        self._models = Models(door, clock, settings.model_check_s)
        self._cache: Cache[tuple[str, str], Tokens] = Cache(clock, entries=settings.entries, ttl_s=settings.ttl_s)
        self._breakers: dict[str, Breaker] = {}
        self._failures: Counter[str] = Counter(open=0, busy=0, slow=0, failed=0)

    async def tokens(self, endpoint: str, text: str, within_s: float) -> Tokens:
        """Return the tokens of `text` within `within_s` seconds; raises InferenceUnavailable.

        The inference goes on when that time is over: its tokens are for whoever asks the same next.
        """
        model = self._models.known(endpoint)
        kept = self._cache.kept((model, text)) if model else None
        if kept is not None:
            return kept
        try:
            async with asyncio.timeout(within_s):
                return await self._shared(endpoint, text)
        except TimeoutError as error:
            self._failures["slow"] += 1
            raise InferenceUnavailable(f"no tokens within {within_s:g} s") from error

    def samples(self) -> Iterator[Sample]:
        """Return the present values of this cache's metrics."""
        for result, count in self._cache.counts.items():
            yield Sample(EXPANSIONS, (result,), count)
        for reason, count in self._failures.items():
            yield Sample(EXPANSION_FAILURES, (reason,), count)
        for endpoint, breaker in self._breakers.items():
            yield Sample(BREAKER_OPEN, (endpoint,), OPENNESS[breaker.state])
        yield Sample(EXPANSION_ENTRIES, (), len(self._cache))

    async def close(self) -> None:
        """Give up running inferences."""
        await self._models.close()
        await self._cache.close()

    async def _shared(self, endpoint: str, text: str) -> Tokens:
        key = (await self._models.of(endpoint), text)
        return await self._cache.get(key, lambda: self._start(endpoint, text))

    def _start(self, endpoint: str, text: str) -> Coroutine[Any, Any, Tokens]:
        """Return the inference, or raise InferenceUnavailable at once when there should be none."""
        if self._cache.running >= self._settings.concurrent:
            self._failures["busy"] += 1
            raise InferenceUnavailable(f"{self._cache.running} inferences are running")
        ticket = self._breaker(endpoint).admit()
        if ticket is None:
            self._failures["open"] += 1
            raise InferenceUnavailable("inference failed lately and is left alone")
        return self._infer(endpoint, text, ticket)

    def _breaker(self, endpoint: str) -> Breaker:
        if endpoint not in self._breakers:
            self._breakers[endpoint] = Breaker(self._settings.breaker, self._clock)
        return self._breakers[endpoint]

    async def _infer(self, endpoint: str, text: str, ticket: Ticket) -> Tokens:
        # Slow is a failure as soon as it is slow, not when it ends.
        loop, budget_s = asyncio.get_running_loop(), self._settings.budget_ms / 1000
        slow = loop.call_later(budget_s, self._end, endpoint, ticket, Outcome.FAILURE)
        outcome = Outcome.IGNORED
        try:
            tokens = await self._door.infer(endpoint, text)
            outcome = Outcome.SUCCESS
            return tokens
        except InferenceUnavailable as error:
            # A text that the encoder refuses says nothing about the encoder.
            outcome = Outcome.IGNORED if isinstance(error, QueryNotEncodable) else Outcome.FAILURE
            self._failures["failed"] += 1
            raise
        finally:
            slow.cancel()
            self._end(endpoint, ticket, outcome)

    def _end(self, endpoint: str, ticket: Ticket, outcome: Outcome) -> None:
        breaker = self._breaker(endpoint)
        before = breaker.state
        ticket.end(outcome)
        if breaker.state is not before:
            log.warning("inference breaker", endpoint=endpoint, state=breaker.state.value, was=before.value)
