"""The clients that the bench compares, each run to the end of the topic in a process of its own.

`python -m tests.bench.clients CLIENT BOOTSTRAP URL TOPIC COUNT` prints one JSON object: seconds and CPU seconds.
"""

import asyncio
import json
import resource
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import uvloop
from confluent_kafka import Consumer
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch.helpers import streaming_bulk

from streamer import pipeline
from streamer.delivery.report import Report
from streamer.intake.route import Reuse, Route, route_of
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Admin, Topic
from streamer.settings import Settings
from streamer.setup.epochs import Epoch
from streamer.setup.origins import Origins

BATCH = 1_000
IN_FLIGHT = 4
INDEX = "bench"


class NoEpochs:
    """The bench has one incarnation of its topic and no state index."""

    async def timeline_of(self, topic: Topic, starts: Mapping[int, int], alias: str) -> Timeline:
        return Timeline({number: ((start, 1),) for number, start in starts.items()})

    async def known(self, topic: str) -> list[Epoch]:
        return [Epoch("", topic, "", 1, {}, 0)]


def settings(bootstrap: str, url: str, topic: str) -> Settings:
    route: dict[str, Any] = {
        "name": INDEX,
        "topics": [topic],
        "index": INDEX,
        "inference": [{"input": "text", "output": "tokens"}],
        "deployment": INDEX,
    }
    return Settings(
        kafka={"bootstrap_servers": bootstrap, "group_id": str(uuid.uuid4())},
        elasticsearch={"urls": [url]},
        deployments=[{"id": INDEX}],
        routes=[route],
        admin={"port": 0},
        log={"level": "WARNING"},
    )


def routes(given: Settings) -> dict[str, Route]:
    route = given.routes[0]
    return {route.name: route_of(route, concrete_index=INDEX, pipeline_revision="", model="", reuse=Reuse())}


async def ours(bootstrap: str, url: str, topic: str, count: int) -> None:
    """The streamer's own stages, wired as `run` wires them; only what asks a real Elasticsearch is left out."""
    given = settings(bootstrap, url, topic)
    async with pipeline._open(given) as doors, pipeline._watched() as runtime:
        origins = Origins(Admin(given.kafka), NoEpochs(), routes(given))
        stream = pipeline.wire(given, routes(given), origins, doors, runtime)
        runtime.spawn(_stop_when_done(stream.report, stream.source.stop, count))
        await pipeline._flow(stream, given, runtime, progress=False)


async def _stop_when_done(report: Report, stop: Any, count: int) -> None:
    while report.done < count:  # noqa: ASYNC110 - a look now and then costs least beside what is measured
        await asyncio.sleep(0.02)
    stop()


def consumer(bootstrap: str, topic: str) -> Consumer:
    made = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": str(uuid.uuid4()),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    made.subscribe([topic])
    return made


async def bare(bootstrap: str, url: str, topic: str, count: int) -> None:
    """As little as can be done in Python: no order, no ledger, no outcome; a lower bound."""
    source, client = consumer(bootstrap, topic), AsyncElasticsearch(url)
    taken, tasks = 0, set[asyncio.Task[Any]]()
    while taken < count:
        messages = await asyncio.to_thread(source.consume, BATCH, 0.1)
        taken += len(messages)
        lines = []
        for message in messages:
            lines.append(orjson.dumps({"index": {"_index": INDEX, "_id": message.key().decode()}}))
            lines.append(orjson.dumps(orjson.loads(message.value())))
        if lines:
            tasks.add(asyncio.create_task(client.bulk(operations=b"\n".join([*lines, b""]), filter_path="errors")))
        if len(tasks) >= IN_FLIGHT:
            _, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.gather(*tasks)
    await client.close()
    source.close()


def helpers(bootstrap: str, url: str, topic: str, count: int) -> None:
    """elasticsearch-py's `streaming_bulk` behind a plain consumer, the usual script."""
    source, client = consumer(bootstrap, topic), Elasticsearch(url)

    def actions() -> Iterator[dict[str, Any]]:
        taken = 0
        while taken < count:
            for message in source.consume(BATCH, 0.1):
                taken += 1
                yield {"_index": INDEX, "_id": message.key().decode(), "_source": json.loads(message.value())}

    for _ in streaming_bulk(client, actions(), chunk_size=500):
        pass
    client.close()
    source.close()


def main(client: str, bootstrap: str, url: str, topic: str, count: str) -> None:
    started = time.monotonic()
    if client == "helpers":
        helpers(bootstrap, url, topic, int(count))
    else:
        uvloop.run({"ours": ours, "bare": bare}[client](bootstrap, url, topic, int(count)))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds, cpu = time.monotonic() - started, used.ru_utime + used.ru_stime
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": cpu, "rss_mb": used.ru_maxrss / 1024}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
