"""Query expansion: a text becomes weighted tokens through an inference endpoint, once for all who ask the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from search_api.cache import Cache
from search_api.metrics import EXPANSION_ENTRIES, EXPANSIONS
from search_api.model import Tokens
from search_api.settings import ExpansionSettings
from streamer.clock import Clock
from streamer.metrics import Sample

Infer = Callable[[str, str], Awaitable[Tokens]]
"""From endpoint and text to tokens."""


class Expansion:
    """Tokens of query texts, by endpoint."""

    def __init__(self, infer: Infer, clock: Clock, settings: ExpansionSettings) -> None:
        """Infer with `infer` what is not kept."""

        async def compute(key: tuple[str, str]) -> Tokens:
            return await infer(*key)

        self._cache: Cache[tuple[str, str], Tokens] = Cache(
            compute, clock, entries=settings.entries, ttl_s=settings.ttl_s
        )

    async def tokens(self, endpoint: str, text: str) -> Tokens:
        """Return the tokens of `text`; raises InferenceUnavailable."""
        return await self._cache.get((endpoint, text))

    def samples(self) -> Iterator[Sample]:
        """Return the present values of this cache's metrics."""
        for result, count in self._cache.counts.items():
            yield Sample(EXPANSIONS, (result,), count)
        yield Sample(EXPANSION_ENTRIES, (), len(self._cache))

    async def close(self) -> None:
        """Give up running inferences."""
        await self._cache.close()
