"""The door to Elasticsearch: the streamer's, with the requests that a search makes, bounded in number and in time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from search_api.access.view import Question
from search_api.concurrency import Valve
from search_api.errors import InferenceUnavailable, QueryNotEncodable
from search_api.metrics import ELASTIC_SECONDS
from search_api.model import Json, Tokens
from search_api.results import FILTER_PATH
from search_api.settings import SearchSettings
from streamer.clock import Clock
from streamer.elastic import Elastic
from streamer.errors import ElasticError, ElasticRefused
from streamer.metrics import Meter

GRACE = 1.5
"""Shards look at their time only now and then: the share of a budget after which the connection is given up."""
LEAST_WAIT_S = 0.1
ABOUT_THE_TEXT = frozenset({400, 413, 422})
"""Refusals of an inference that another text would not meet."""


class Door(Protocol):
    """What the service asks of Elasticsearch; a test gives another."""

    async def search(self, question: Question, within_s: float | None = None) -> Json:
        """Return the answer to a search, within the time (default: the setting); raises ElasticError, Overloaded."""

    async def open_point(self, alias: str, keep_alive_s: int) -> str:
        """Return the id of a point in time of an index; raises ElasticError, Overloaded."""

    async def close_point(self, point: str) -> None:
        """End a point in time; raises ElasticError."""

    async def infer(self, endpoint: str, text: str) -> Tokens:
        """Return the tokens of `text`; raises InferenceUnavailable."""

    async def model(self, endpoint: str) -> str:
        """Return the id of the model behind an inference endpoint; raises ElasticError, InferenceUnavailable."""

    async def close(self) -> None:
        """Close all connections."""


class ElasticDoor:
    """The real one."""

    def __init__(self, elastic: Elastic, settings: SearchSettings, clock: Clock, meter: Meter) -> None:
        """Send requests through `elastic` with the limits of `settings`."""
        self._elastic, self._settings = elastic, settings
        self._clock, self._meter = clock, meter
        self._valve = Valve(settings.concurrency, clock)
        meter.read_from(self._valve)

    async def search(self, question: Question, within_s: float | None = None) -> Json:
        """Return the answer to a search, within the time (default: the setting); raises ElasticError, Overloaded."""
        budget_s = self._settings.timeout_ms / 1000 if within_s is None else within_s
        # Rounded up to tenths: the client keeps what it makes for each timeout.
        timeout = max(math.ceil(budget_s * GRACE * 10) / 10, LEAST_WAIT_S)
        in_time = "pit" in question.body
        # A point in time names its index itself. Where it walks, what is missing from a page is missing for good.
        path = "/_search" if in_time else f"/{question.alias}/_search"
        params = {"filter_path": FILTER_PATH, "allow_partial_search_results": "false" if in_time else "true"}
        with self._valve.ticket(), self._timed("search"):
            return await self._elastic.post(path, question.body, timeout, **params)

    async def open_point(self, alias: str, keep_alive_s: int) -> str:
        """Return the id of a point in time of an index; raises ElasticError, Overloaded."""
        with self._valve.ticket(), self._timed("open_point"):
            found = await self._elastic.post(f"/{alias}/_pit", keep_alive=f"{keep_alive_s}s")
        point: str = found["id"]
        return point

    async def close_point(self, point: str) -> None:
        """End a point in time; raises ElasticError."""
        with self._timed("close_point"):
            await self._elastic.delete("/_pit", {"id": point})

    async def infer(self, endpoint: str, text: str) -> Tokens:
        """Return the tokens of `text`; raises InferenceUnavailable."""
        timeout = self._settings.inference_timeout_ms / 1000
        # No input_type: it is refused for this task type, so that such a request never has a search's priority.
        path = f"/_inference/sparse_embedding/{endpoint}"
        try:
            with self._timed("inference"):
                found = await self._elastic.post(path, {"input": text}, timeout)
        except ElasticError as error:
            raise _unavailable(error) from error
        return _tokens(found)

    async def model(self, endpoint: str) -> str:
        """Return the id of the model behind an inference endpoint; raises ElasticError, InferenceUnavailable."""
        match await self._elastic.get(f"/_inference/sparse_embedding/{endpoint}"):
            case {"endpoints": [{"service_settings": {"model_id": str(model)}}, *_]}:
                return model
        raise InferenceUnavailable("the endpoint does not name its model")

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


def _unavailable(error: ElasticError) -> InferenceUnavailable:
    about_the_text = isinstance(error, ElasticRefused) and error.status in ABOUT_THE_TEXT
    return QueryNotEncodable() if about_the_text else InferenceUnavailable()


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
