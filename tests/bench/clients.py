"""The clients that the bench compares, each run to the end of the topic in a process of its own.

`python -m tests.bench.clients CLIENT BOOTSTRAP URL TOPIC COUNT` prints one JSON object: seconds and CPU seconds from
when everything is imported to the end, CPU seconds of the start before that, and most memory in megabytes.
"""

import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import faust
import httpx
import orjson
import uvloop
from confluent_kafka import Consumer
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch.helpers import async_bulk, parallel_bulk, streaming_bulk

from streamer import pipeline
from streamer.delivery.report import Report
from streamer.intake.route import Reuse, Route, route_of
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Admin, Topic
from streamer.settings import Settings
from streamer.setup.epochs import Epoch
from streamer.setup.origins import Origins
from tests.fixtures.waiting import until

BATCH = 1_000
IN_FLIGHT = 4
INDEX = "bench"
CHUNK = 500
LONGEST_S = 300.0

RSYSLOG = """
global(workDirectory="{folder}" maxMessageSize="64k")
module(load="imkafka")
module(load="omelasticsearch")
template(name="document" type="string" string="%msg%")
ruleset(name="index" queue.type="LinkedList" queue.size="100000" queue.dequeueBatchSize="1000") {{
  action(type="omelasticsearch" server="127.0.0.1" serverport="{port}" searchIndex="{index}" searchType=""
         bulkmode="on" template="document" action.resumeRetryCount="-1")
}}
input(type="imkafka" topic="{topic}" broker=["{bootstrap}"] consumergroup="{group}" ruleset="index"
      confParam=["auto.offset.reset=earliest"])
"""


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
        origins = Origins(Admin(given.kafka), NoEpochs(), routes(given), {})
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


def actions(source: Consumer, count: int) -> Iterator[dict[str, Any]]:
    """The topic as the helpers want it, up to its end."""
    taken = 0
    while taken < count:
        for message in source.consume(BATCH, 0.1):
            taken += 1
            yield {"_index": INDEX, "_id": message.key().decode(), "_source": json.loads(message.value())}


def helper(send: Callable[..., Any], bootstrap: str, url: str, topic: str, count: int) -> None:
    """elasticsearch-py's helper behind a plain consumer, the usual script."""
    source, client = consumer(bootstrap, topic), Elasticsearch(url)
    for _ in send(client, actions(source, count), chunk_size=CHUNK):
        pass
    client.close()
    source.close()


def streaming(bootstrap: str, url: str, topic: str, count: int) -> None:
    helper(streaming_bulk, bootstrap, url, topic, count)


def parallel(bootstrap: str, url: str, topic: str, count: int) -> None:
    helper(parallel_bulk, bootstrap, url, topic, count)


async def agent(bootstrap: str, url: str, topic: str, count: int) -> None:
    """A Faust agent over `take`, and `async_bulk`."""
    app = faust.App(
        str(uuid.uuid4()),
        broker=f"kafka://{bootstrap}",
        datadir=tempfile.mkdtemp(),
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
    )
    source = app.topic(topic, value_type=bytes, value_serializer="raw", internal=False)
    done = asyncio.Event()

    @app.agent(source, concurrency=1)
    async def index(stream: Any) -> None:
        taken = 0
        async for values in stream.take(CHUNK, within=1.0):
            documents = [json.loads(value) for value in values]
            lines = [{"_index": INDEX, "_id": str(document["id"]), "_source": document} for document in documents]
            await async_bulk(client, lines, chunk_size=CHUNK)
            taken += len(documents)
            if taken >= count:
                done.set()

    client = AsyncElasticsearch(url)
    app.finalize()
    await app.start()
    await done.wait()
    await app.stop()
    await client.close()


def rsyslog(bootstrap: str, url: str, topic: str, count: int) -> None:
    """rsyslog's own modules for both ends, until the endpoint has seen everything."""
    before = httpx.get(f"{url}/_nullsink").json()["items"]
    with tempfile.TemporaryDirectory() as folder:
        names = {"folder": folder, "port": url.rpartition(":")[2], "index": INDEX, "topic": topic}
        config = Path(folder, "rsyslog.conf")
        config.write_text(RSYSLOG.format(**names, bootstrap=bootstrap, group=uuid.uuid4()))
        with subprocess.Popen(["rsyslogd", "-n", "-f", config, "-i", f"{folder}/pid"]) as running:
            try:
                until(
                    lambda: httpx.get(f"{url}/_nullsink").json()["items"] >= before + count,
                    "the end of the topic",
                    timeout_s=LONGEST_S,
                )
            finally:
                running.terminate()


RUNNERS: dict[str, Callable[[str, str, str, int], Any]] = {
    "ours": ours,
    "bare": bare,
    "streaming_bulk": streaming,
    "parallel_bulk": parallel,
    "faust": agent,
    "rsyslog": rsyslog,
}


def main(client: str, bootstrap: str, url: str, topic: str, count: str) -> None:
    started, start_cpu = time.monotonic(), time.process_time()
    whose = resource.RUSAGE_CHILDREN if client == "rsyslog" else resource.RUSAGE_SELF
    run = RUNNERS[client]
    if asyncio.iscoroutinefunction(run):
        uvloop.run(run(bootstrap, url, topic, int(count)))
    else:
        run(bootstrap, url, topic, int(count))
    used = resource.getrusage(whose)
    start = 0.0 if client == "rsyslog" else start_cpu
    found = {
        "seconds": time.monotonic() - started,
        "cpu": used.ru_utime + used.ru_stime - start,
        "start_cpu": start,
        "rss_mb": used.ru_maxrss / 1024,
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
