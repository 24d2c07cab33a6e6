"""The door to Elasticsearch: the only file of the streamer that imports its client; foreign errors end here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from elastic_transport import ApiResponse, HttpHeaders
from elastic_transport.client_utils import DEFAULT
from elasticsearch import ApiError, AsyncElasticsearch, ConnectionTimeout, OrjsonSerializer, TransportError
from elasticsearch import ConnectionError as ClientConnectionError

from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable
from streamer.settings import ElasticsearchSettings

JSON = "application/json"
NDJSON = "application/x-ndjson"
TIMEOUTS_KEPT = 64
"""Few callers have a timeout of their own for each request; those round it."""

Json = dict[str, Any]


class Elastic:
    """Requests with errors of our own; it retries nothing, because only the caller knows what may be repeated.

    Each method raises ElasticUnavailable (no connection), ElasticTimeout (no answer in time; the outcome is
    unknown) or ElasticRefused (an error status).
    """

    def __init__(self, settings: ElasticsearchSettings, connections: int = 32) -> None:
        """Prepare a client for `settings`, with at most `connections` requests at a time to each node."""
        self._settings = settings
        # Without a user and password that a URL may hold.
        self._places = ", ".join(url.rpartition("@")[2] for url in settings.urls)
        self._client = AsyncElasticsearch(
            settings.urls,
            ca_certs=str(settings.ca_certs) if settings.ca_certs else DEFAULT,
            api_key=settings.api_key.get_secret_value() if settings.api_key else None,
            basic_auth=_basic(settings),
            connections_per_node=connections,
            request_timeout=settings.request_timeout_s,
            # Status 429 is ours to judge, and a node that says so is not dead.
            max_retries=0,
            retry_on_status=(),
            dead_node_backoff_factor=0,
            max_dead_node_backoff=0,
            http_compress=False,
            serializers={JSON: OrjsonSerializer()},
        )
        # Options make a whole client anew, which costs more than the rest of a request.
        self._within = lru_cache(TIMEOUTS_KEPT)(lambda timeout: self._client.options(request_timeout=timeout))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def bulk(self, body: bytes, filter_path: str) -> Json:
        """Send `body` (NDJSON) to `_bulk` and return the answer, shortened by `filter_path`."""
        return await self._perform(
            "POST",
            "/_bulk",
            body,
            params={"filter_path": filter_path, "include_source_on_error": "false"},
            timeout=self._settings.bulk_timeout_s,
            content_type=NDJSON,
        )

    async def get(self, path: str, **params: str) -> Json:
        """Send a GET."""
        return await self._perform("GET", path, None, params)

    async def put(self, path: str, body: Json | None = None, **params: str) -> Json:
        """Send a PUT with a JSON body."""
        return await self._perform("PUT", path, body, params)

    async def post(self, path: str, body: Json | None = None, timeout: float | None = None, **params: str) -> Json:
        """Send a POST with a JSON body, waiting `timeout` seconds (default: the setting) for the answer."""
        return await self._perform("POST", path, body, params, timeout)

    async def delete(self, path: str, body: Json | None = None, **params: str) -> Json:
        """Send a DELETE, with a JSON body where it takes one."""
        return await self._perform("DELETE", path, body, params)

    async def find(self, path: str, **params: str) -> Json | None:
        """Send a GET; return None when the thing is not there (404)."""
        try:
            return await self.get(path, **params)
        except ElasticRefused as error:
            if error.status == HTTP_NOT_FOUND:
                return None
            raise

    async def _perform(  # noqa: PLR0917 - the one place where a request is made
        self,
        method: str,
        path: str,
        body: Json | bytes | None,
        params: Mapping[str, str],
        timeout: float | None = None,
        content_type: str = JSON,
    ) -> Json:
        headers = {"accept": JSON} if body is None else {"accept": JSON, "content-type": content_type}
        client = self._within(timeout) if timeout else self._client
        try:
            response: ApiResponse[Any] = await client.perform_request(
                method, path, params=params, headers=HttpHeaders(headers), body=body
            )
        except ConnectionTimeout as error:
            raise ElasticTimeout(f"{method} {path} got no answer in time: {error}") from error
        except ApiError as error:
            raise _refused(error) from error
        except ClientConnectionError as error:
            raise ElasticUnavailable(f"{method} {path} could not be sent to {self._places}: {error}") from error
        except TransportError as error:
            raise ElasticUnavailable(f"{method} {path} failed at {self._places}: {error}") from error
        answer = response.body
        return answer if isinstance(answer, dict) else {"body": answer}


HTTP_NOT_FOUND = 404


def _basic(settings: ElasticsearchSettings) -> tuple[str, str] | None:
    if settings.username is None or settings.password is None:
        return None
    return settings.username, settings.password.get_secret_value()


def _refused(error: ApiError) -> ElasticRefused:
    body = error.body if isinstance(error.body, dict) else {}
    cause = body.get("error")
    if isinstance(cause, dict):
        return ElasticRefused(error.meta.status, str(cause.get("type", "")), str(cause.get("reason", "")))
    return ElasticRefused(error.meta.status, "", str(cause or error.body or error.message))
