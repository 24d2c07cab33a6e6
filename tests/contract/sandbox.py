"""Deployments, endpoints, pipelines, indices and faults of one test's own, through the unchanged client."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest
from elasticsearch import ApiError, AsyncElasticsearch

T = TypeVar("T")
Json = dict[str, Any]

NUMBERS = itertools.count(1)
PATIENCE_S = 60.0
POLL_S = 0.02

JSON_HEADERS = {"accept": "application/json", "content-type": "application/json"}

BY_THE_WORD = {"base_ms": 0, "ms_per_token": 100, "sigma": 0}
"""Times of the synthetic model with which one word is quick and LONG never ends: order is seen without a clock."""

AT_ONCE = {"base_ms": 0, "ms_per_token": 0, "sigma": 0}

LONG = " ".join(["long"] * 512)
"""51 s by the word: tests end long before."""


async def until(condition: Callable[[], Awaitable[T]], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Return the first true value of `condition`; fail, saying `what` was waited for, when none comes in time."""
    deadline = time.monotonic() + timeout_s
    while not (value := await condition()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s, last seen: {value!r}"
        await asyncio.sleep(POLL_S)
    return value


async def refusal(request: Awaitable[Any]) -> tuple[int, str, str]:
    """Return status, type and reason of the error that answers a request."""
    with pytest.raises(ApiError) as caught:
        await request
    error = caught.value.body["error"]
    return caught.value.status_code, error["type"], error["reason"]


def items_of(answer: Any) -> list[Json]:
    """Return the items of a bulk's answer without their action names."""
    return [next(iter(item.values())) for item in answer["items"]]


def error_of(item: Json) -> tuple[int, str, str]:
    """Return status, type and reason of a bulk item that failed."""
    return item["status"], item["error"]["type"], item["error"]["reason"]


class Deployment:
    """A started deployment and what can be asked of it."""

    def __init__(self, client: AsyncElasticsearch, deployment_id: str) -> None:
        self.id = deployment_id
        self.endpoint = f"{deployment_id}-endpoint"
        self._client = client

    async def entry(self) -> Json:
        """Return its entry in `_stats`."""
        answer = await self._client.ml.get_trained_models_stats(model_id=self.id)
        entries: list[Json] = answer["trained_model_stats"]
        assert len(entries) == 1
        return entries[0]

    async def stats(self) -> Json:
        """Return `deployment_stats`."""
        found: Json = (await self.entry())["deployment_stats"]
        return found

    async def node(self) -> Json:
        """Return the statistics of the one node."""
        (node,) = (await self.stats())["nodes"]
        found: Json = node
        return found

    async def nodes(self) -> list[Json]:
        """Return the statistics of every node, in the order of their numbers."""
        found: list[Json] = (await self.stats())["nodes"]
        return sorted(found, key=lambda node: next(iter(node["node"])))

    async def await_node(self, **expected: float) -> Json:
        """Wait until these statistics of the node are exactly as expected, and return all."""
        seen: Json = {}

        async def reached() -> bool:
            nonlocal seen
            seen = await self.node()
            return {name: seen.get(name) for name in expected} == expected

        await until(reached, f"{expected} at {self.id}")
        return seen

    async def await_pending(self, count: int) -> None:
        """Wait until exactly so many requests are queued or computed."""
        await self.await_node(number_of_pending_requests=count)

    async def await_state(self, state: str) -> None:
        async def reached() -> bool:
            return bool((await self.stats())["state"] == state)

        await until(reached, f"state {state} of {self.id}")

    async def synthetic(self, **parameters: float) -> None:
        """Change the times of the synthetic model for what it takes from now on."""
        path = f"/_local/synthetic/{self.id}"
        await self._client.perform_request("PUT", path, headers=JSON_HEADERS, body=parameters)

    async def local(self, **options: float) -> None:
        """Change what it finds around it, its number of nodes for one, at its next start."""
        await self._client.perform_request("PUT", f"/_local/deployments/{self.id}", headers=JSON_HEADERS, body=options)

    async def scale(self, allocations: int) -> None:
        await self._client.ml.update_trained_model_deployment(model_id=self.id, number_of_allocations=allocations)

    async def stop(self) -> None:
        await self._client.ml.stop_trained_model_deployment(model_id=self.id, force=True)

    async def infer(self, *texts: str, timeout: str = "60s") -> list[Json]:
        """Return tokens for each text, with the priority of the API, which is that of ingest."""
        answer = await self._client.inference.inference(
            inference_id=self.endpoint, task_type="sparse_embedding", input=list(texts), timeout=timeout
        )
        found: list[Json] = answer["sparse_embedding"]
        return found


class Sandbox:
    """Makes what a test needs under names of its own; `close` takes all of it away again."""

    def __init__(self, client: AsyncElasticsearch) -> None:
        self.client = client
        self.name = f"sandbox-{next(NUMBERS)}"
        self._parts = itertools.count(1)
        self._made: list[tuple[str, str]] = []
        self._tasks: list[asyncio.Task[Any]] = []

    def new(self, path: str = "/{}") -> str:
        """Return a name that nobody has; what is made below it at `path` goes with the sandbox."""
        name = f"{self.name}-{next(self._parts)}"
        self.remove(path.format(name))
        return name

    def remove(self, path: str) -> None:
        """Let what is at `path` go with the sandbox."""
        self._made.append(("DELETE", path))

    async def deployment(
        self, model: str = "synthetic", *, times: Json | None = None, local: Json | None = None, **options: Any
    ) -> Deployment:
        """Start a deployment and an endpoint over it; without a cache unless one is asked for (None: the default)."""
        found = await self.launch(model, times=times, local=local, **options)
        self._made.append(("DELETE", f"/_inference/sparse_embedding/{found.endpoint}?force=true"))
        settings = {"service": "elasticsearch", "service_settings": {"deployment_id": found.id}}
        await self.client.inference.put(
            inference_id=found.endpoint, task_type="sparse_embedding", inference_config=settings
        )
        return found

    async def launch(
        self,
        model: str = "synthetic",
        *,
        times: Json | None = None,
        local: Json | None = None,
        cache_size: str | None = "0b",
        **options: Any,
    ) -> Deployment:
        """Start a deployment alone; an endpoint would wait until it has started. `local` is what it finds around it."""
        found = Deployment(self.client, f"{self.name}-{next(self._parts)}")
        self._made.append(("POST", f"/_ml/trained_models/{found.id}/deployment/_stop?force=true"))
        await found.synthetic(**(times or AT_ONCE))
        await found.local(**(local or {}))
        sizes = {} if cache_size is None else {"cache_size": cache_size}
        await self.client.ml.start_trained_model_deployment(
            model_id=model, deployment_id=found.id, timeout="60s", **sizes, **options
        )
        return found

    async def pipeline(self, model_id: str, **processor: Any) -> str:
        """Make a pipeline with one inference processor from `text` to `tokens`."""
        name = self.new("/_ingest/pipeline/{}")
        pairs = [{"input_field": "text", "output_field": "tokens"}]
        inference = {"model_id": model_id, "input_output": pairs, "ignore_missing": True} | processor
        await self.client.ingest.put_pipeline(id=name, processors=[{"inference": inference}])
        return name

    async def index(self, *, dynamic: str = "true", alias: str | None = None, **settings: Any) -> str:
        """Make an index with text, tokens and a number."""
        name = self.new()
        properties = {
            "text": {"type": "text", "analyzer": "english"},
            "tokens": {"type": "sparse_vector"},
            "model_id": {"type": "keyword"},
            "number": {"type": "long"},
        }
        await self.client.indices.create(
            index=name,
            mappings={"dynamic": dynamic, "properties": properties},
            aliases={alias: {"is_write_index": True}} if alias else {},
            settings={"number_of_replicas": 0, **settings},
        )
        return name

    async def fault(self, kind: str, **keys: float | str) -> str:
        """Set a fault and return its name."""
        name = self.new("/_local/faults/{}")
        body = {"kind": kind, **keys}
        await self.client.perform_request("PUT", f"/_local/faults/{name}", headers=JSON_HEADERS, body=body)
        return name

    async def heal(self, fault: str) -> None:
        """Take a fault away."""
        await self.client.perform_request("DELETE", f"/_local/faults/{fault}", headers=JSON_HEADERS)

    async def struck(self, fault: str) -> int:
        """Return how often a fault has hit."""
        answer: Any = await self.client.perform_request("GET", "/_local/faults", headers=JSON_HEADERS)
        return int(answer["faults"][fault]["struck"])

    async def bulk(self, index: str, texts: Sequence[str], pipeline: str) -> list[Json]:
        """Index a document for each text and return the items; its ids are its numbers."""
        operations: list[Json] = []
        for number, text in enumerate(texts):
            operations += [{"index": {"_index": index, "_id": str(number)}}, {"text": text}]
        return items_of(await self.client.bulk(operations=operations, pipeline=pipeline))

    def background(self, request: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Send a request without waiting for its answer."""
        task = asyncio.create_task(request)
        self._tasks.append(task)
        return task

    async def close(self) -> None:
        """Remove what was made, the last first, and drop the requests that nobody waits for."""
        quiet = self.client.options(ignore_status=(400, 404))
        for method, path in reversed(self._made):
            await quiet.perform_request(method, path, headers=JSON_HEADERS)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
