"""The door to Elasticsearch: the streamer's, with the two requests that a search makes, timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from search_api.access.view import Question
from search_api.errors import InferenceUnavailable
from search_api.metrics import ELASTIC_SECONDS
from search_api.model import Json, Tokens
from search_api.results import FILTER_PATH
from search_api.settings import SearchSettings
from streamer.clock import Clock
from streamer.elastic import Elastic
from streamer.errors import ElasticError, ElasticRefused
from streamer.metrics import Meter

GRACE_S = 1.0
"""Shards look at their time only now and then: what the connection waits beyond it."""


class Door(Protocol):
    """What the service asks of Elasticsearch; a test gives another."""

    async def search(self, question: Question) -> Json:
        """Return the answer to a search; raises ElasticError."""

    async def infer(self, endpoint: str, text: str) -> Tokens:
        """Return the tokens of `text`; raises InferenceUnavailable."""

    async def close(self) -> None:
        """Close all connections."""


class ElasticDoor:
    """The real one."""

    def __init__(self, elastic: Elastic, settings: SearchSettings, clock: Clock, meter: Meter) -> None:
        """Send requests through `elastic` with the time limits of `settings`."""
        self._elastic, self._settings = elastic, settings
        self._clock, self._meter = clock, meter

    async def search(self, question: Question) -> Json:
        """Return the answer to a search; raises ElasticError."""
        timeout = self._settings.timeout_ms / 1000 + GRACE_S
        with self._timed("search"):
            path = f"/{question.alias}/_search"
            return await self._elastic.post(path, question.body, timeout, filter_path=FILTER_PATH)

    async def infer(self, endpoint: str, text: str) -> Tokens:
        """Return the tokens of `text`; raises InferenceUnavailable."""
        timeout = self._settings.inference_timeout_ms / 1000
        # No input_type: it is refused for this task type, so that such a request never has a search's priority.
        path = f"/_inference/sparse_embedding/{endpoint}"
        try:
            with self._timed("inference"):
                found = await self._elastic.post(path, {"input": text}, timeout)
        except ElasticError as error:
            raise InferenceUnavailable from error
        return _tokens(found)

    async def close(self) -> None:
        """Close all connections."""
        await self._elastic.close()

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        started, result = self._clock.monotonic(), "error"
        try:
            yield
            result = "ok"
        finally:
            self._meter.observe(ELASTIC_SECONDS, self._clock.monotonic() - started, operation, result)


def _tokens(found: Json) -> Tokens:
    match found.get("sparse_embedding"):
        case [{"embedding": dict(tokens)}, *_]:
            return tokens
    raise InferenceUnavailable("the endpoint answered without tokens: is it of task type sparse_embedding")


def reason(error: Exception) -> str:
    """Return why `error` came about, in one word for a readiness report."""
    cause = error.__cause__ if isinstance(error, InferenceUnavailable) else error
    if isinstance(cause, ElasticRefused):
        return "missing" if cause.status == HTTP_NOT_FOUND else "refused"
    return "unreachable"


HTTP_NOT_FOUND = 404
