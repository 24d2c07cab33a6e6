"""The command `status`: what each part says of itself; a part that cannot be reached is shown as such."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from streamer.admission.capacity import Capacity, busy_share, capacity_of
from streamer.elastic import Elastic
from streamer.errors import StreamerError
from streamer.kafka.admin import Admin, Committed
from streamer.model import Partition
from streamer.settings import Settings
from streamer.setup.deployment import read

ADMIN_SECONDS = 3.0
SAMPLE_SECONDS = 1.0

Json = dict[str, Any]
T = TypeVar("T")


class Lag(msgspec.Struct, frozen=True):
    """A partition: `committed` and `end` are next offsets; without a commit the lag counts from the first record."""

    topic: str
    partition: int
    committed: int | None
    end: int
    lag: int


class DeploymentStatus(msgspec.Struct, frozen=True):
    """A deployment; `busy` is the part of the allocations' time in use, `inference_ms` the mean of an inference."""

    id: str
    state: str
    allocations: int = 0
    pending: int = 0
    rejected: int = 0
    busy: float | None = None
    inference_ms: float | None = None


class IndexStatus(msgspec.Struct, frozen=True):
    """An index behind its alias, with the documents that a search can see."""

    alias: str
    documents: int


class Status(msgspec.Struct, frozen=True):
    """All parts at one moment. `problems` says of each part that could not be asked why not."""

    group: str
    lag: list[Lag]
    members: list[Json]
    instance: Json | None
    deployments: list[DeploymentStatus]
    indices: list[IndexStatus]
    problems: dict[str, str]


class Watcher:
    """Asks all parts, again and again; what lies between two rounds gives the busy share."""

    def __init__(self, settings: Settings) -> None:
        """Prepare clients for `settings`."""
        self._settings = settings
        self._admin = Admin(settings.kafka)
        self._elastic = Elastic(settings.elasticsearch, connections=4)
        self._before: dict[str, tuple[float, Capacity]] = {}

    async def close(self) -> None:
        """Close all connections."""
        await self._elastic.close()

    async def prepare(self) -> None:
        """Take the first reading of the deployments, and let a moment pass."""
        await _asked({}, "deployments", self._deployments)
        if self._before:
            await asyncio.sleep(SAMPLE_SECONDS)

    async def look(self) -> Status:
        """Ask all parts at once. Raises nothing that has to do with one of them."""
        problems: dict[str, str] = {}
        lag, members, instance, deployments, indices = await asyncio.gather(
            _asked(problems, "lag", lambda: asyncio.to_thread(self._lag)),
            _asked(problems, "group", lambda: asyncio.to_thread(self._members)),
            _asked(problems, "streamer", self._instance),
            _asked(problems, "deployments", self._deployments),
            _asked(problems, "indices", self._indices),
        )
        return Status(
            group=self._settings.kafka.group_id,
            lag=lag or [],
            members=members or [],
            instance=instance,
            deployments=deployments or [],
            indices=indices or [],
            problems=problems,
        )

    def _lag(self) -> list[Lag]:
        topics = self._settings.topics
        taken = [name for route in self._settings.routes for name in route.topics]
        names = chosen([*taken, topics.redrive, topics.backlog], self._admin.topic_names)
        found = self._admin.topics(names)
        partitions = [Partition(topic.name, n) for topic in found.values() for n in range(topic.partitions)]
        first = self._admin.offsets(partitions, end=False)
        ends = self._admin.offsets(partitions, end=True)
        committed = self._admin.committed(self._settings.kafka.group_id, partitions) if partitions else {}
        return lags(first, ends, committed)

    def _members(self) -> list[Json]:
        return self._admin.members(self._settings.kafka.group_id)

    async def _instance(self) -> Json:
        url = f"http://{self._settings.admin.host}:{self._settings.admin.port}/status"
        timeout = aiohttp.ClientTimeout(total=ADMIN_SECONDS)
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as response:
                answer: Json = await response.json()
                return answer
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise StreamerError(f"no answer from {url}") from error

    async def _deployments(self) -> list[DeploymentStatus]:
        ids = [deployment.id for deployment in self._settings.deployments]
        return [await self._deployment(deployment_id) for deployment_id in ids]

    async def _deployment(self, deployment_id: str) -> DeploymentStatus:
        stats = await self._elastic.find(f"/_ml/trained_models/{deployment_id}/_stats") or {}
        now = time.monotonic()
        found, capacity = read(stats, deployment_id), capacity_of(stats, deployment_id)
        if found is None or capacity is None:
            return DeploymentStatus(deployment_id, "not started")
        then, earlier = self._before.get(deployment_id, (now, capacity))
        self._before[deployment_id] = (now, capacity)
        return DeploymentStatus(
            id=deployment_id,
            state=found.reason or found.allocation_state or found.state,
            allocations=capacity.allocations,
            pending=capacity.pending,
            rejected=capacity.rejected,
            busy=busy_share(earlier, capacity, now - then),
            inference_ms=capacity.inference_ms,
        )

    async def _indices(self) -> list[IndexStatus]:
        aliases = dict.fromkeys(route.index for route in self._settings.routes)
        return [IndexStatus(alias, int((await self._elastic.get(f"/{alias}/_count"))["count"])) for alias in aliases]


def chosen(wanted: Iterable[str], existing: Callable[[], Iterable[str]]) -> list[str]:
    """Return the topics that `wanted` names; those with `^` are regular expressions over the existing ones."""
    names = list(dict.fromkeys(wanted))
    patterns = [re.compile(name) for name in names if name.startswith("^")]
    plain = [name for name in names if not name.startswith("^")]
    matching = [name for name in existing() if any(map(_matcher(name), patterns))] if patterns else []
    return list(dict.fromkeys([*plain, *matching]))


def lags(
    first: Mapping[Partition, int], ends: Mapping[Partition, int], committed: Mapping[Partition, Committed]
) -> list[Lag]:
    """Return the lag of each partition (pure)."""
    found = []
    for partition, end in sorted(ends.items()):
        commit = committed.get(partition)
        begin = commit.offset if commit else first[partition]
        found.append(
            Lag(partition.topic, partition.number, commit.offset if commit else None, end, max(0, end - begin))
        )
    return found


def _matcher(name: str) -> Callable[[re.Pattern[str]], bool]:
    return lambda pattern: pattern.search(name) is not None


async def _asked(problems: dict[str, str], part: str, question: Callable[[], Awaitable[T]]) -> T | None:
    try:
        return await question()
    except StreamerError as error:
        problems[part] = str(error)
        return None
