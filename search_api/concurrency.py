"""How many searches may be at Elasticsearch at a time: an AIMD limit, and a valve that refuses what is beyond it.

The law is additive increase, multiplicative decrease (D. Chiu and R. Jain, 1989; TCP's, and `AIMDLimit` of Netflix's
concurrency-limits): one more for each round of good answers, a tenth less for a bad one. It was chosen over a gradient
of latencies for two reasons. Several instances of this service share one Elasticsearch without knowing each other: this
law is the one that is known to bring them to equal shares. And a gradient needs to know the latency without load, which
it has to forget: in an overload that lasts it learns that slow is normal (Gradient2 does within some 600 answers), and
searches differ in cost by more than the gradients that it reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from search_api.errors import Overloaded
from search_api.metrics import SEARCHES_IN_FLIGHT, SEARCHES_LIMIT, SHED
from search_api.settings import ConcurrencySettings
from streamer.clock import Clock
from streamer.errors import ElasticRefused, ElasticTimeout
from streamer.metrics import Sample

BACKOFF = 0.9
BUSY = frozenset({429, 503})


class Limit:
    """The arithmetic: answers in, a number out; it knows neither clock nor requests."""

    def __init__(self, settings: ConcurrencySettings) -> None:
        """Start at the initial limit."""
        self._settings = settings
        self._value = float(settings.initial)
        self._cut_at = 0.0

    @property
    def value(self) -> int:
        """How many requests may be in flight."""
        return int(self._value)

    def good(self, in_flight: int) -> None:
        """Take a good answer that came with `in_flight` requests under way, itself included."""
        # A limit that is not in use has shown nothing about a larger one.
        if in_flight * 2 >= self._value:
            self._value = min(self._value + 1 / self._value, self._settings.most)

    def bad(self, began: float, now: float) -> None:
        """Take an answer that was slow or a refusal, of a request sent at `began`; one cut for each round trip."""
        if began >= self._cut_at:
            self._value = max(self._value * BACKOFF, self._settings.least)
            self._cut_at = now


class Valve:
    """Lets as many requests through as the limit says, and refuses the others at once: a queue helps nobody here."""

    def __init__(self, settings: ConcurrencySettings, clock: Clock) -> None:
        """Let nothing wait."""
        self._limit, self._clock = Limit(settings), clock
        self._slow_s = settings.slow_ms / 1000
        self._in_flight = 0
        self._shed = 0

    @contextmanager
    def ticket(self) -> Iterator[None]:
        """Hold a place while the block runs; raises Overloaded when there is none."""
        if self._in_flight >= self._limit.value:
            self._shed += 1
            raise Overloaded
        self._in_flight += 1
        began = self._clock.monotonic()
        try:
            yield
        except (ElasticTimeout, ElasticRefused) as error:
            if isinstance(error, ElasticTimeout) or error.status in BUSY:
                self._limit.bad(began, self._clock.monotonic())
            raise
        else:
            self._learn(began)
        finally:
            self._in_flight -= 1

    def samples(self) -> Iterator[Sample]:
        """Return the present values of this valve's metrics."""
        yield Sample(SEARCHES_LIMIT, (), self._limit.value)
        yield Sample(SEARCHES_IN_FLIGHT, (), self._in_flight)
        yield Sample(SHED, (), self._shed)

    def _learn(self, began: float) -> None:
        now = self._clock.monotonic()
        if now - began > self._slow_s:
            self._limit.bad(began, now)
        else:
            self._limit.good(self._in_flight)
