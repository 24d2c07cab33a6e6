"""The usual ways to put a topic into Elasticsearch, as `tests.bench.refusals` runs them beside ours.

`python -m tests.bench.scripts CLIENT JOB` runs until it is ended or fails; JOB is a JSON object of the fields of `Job`.
Each is written as kindly as its library allows: offsets are committed by hand and after the bulk, ids are keys, what
fails leaves the group in good order, and no request is given up before its inference can be done.
"""

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import faust
from confluent_kafka import Consumer
from elasticsearch import AsyncElasticsearch, Elasticsearch
from elasticsearch.helpers import async_bulk, parallel_bulk, streaming_bulk

CHUNK = 500
THREADS = 5
WITHIN_S = 1.0
TIMEOUT_S = 300.0
CAREFUL = {"raise_on_error": False, "max_retries": 5}
"""What the documentation of the helpers offers against 429: waits of 2, 4, 8, 16 and 32 s."""


@dataclass(frozen=True)
class Job:
    """From where to where."""

    bootstrap: str
    url: str
    topic: str
    index: str
    pipeline: str


def actions(job: Job, values: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for value in values:
        document = json.loads(value)
        yield {"_index": job.index, "_id": str(document["id"]), "pipeline": job.pipeline, "_source": document}


def streaming(job: Job, **options: Any) -> None:
    """A consumer, `streaming_bulk`, and a commit after each bulk."""
    settings = {"bootstrap.servers": job.bootstrap, "group.id": job.topic, "session.timeout.ms": 6_000}
    start = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
    client = Elasticsearch(job.url, request_timeout=TIMEOUT_S)
    with closing(Consumer(settings | start)) as consumer:
        consumer.subscribe([job.topic])
        while True:
            values = [message.value() or b"" for message in consumer.consume(CHUNK, WITHIN_S)]
            for done, item in streaming_bulk(client, actions(job, values), chunk_size=CHUNK, **options):
                if not done:
                    sys.stderr.write(f"not indexed: {item}\n")
            if values:
                consumer.commit(asynchronous=False)


def parallel(job: Job) -> None:
    """A consumer, `parallel_bulk` with five bulks at a time, and a commit after them."""
    settings = {"bootstrap.servers": job.bootstrap, "group.id": job.topic, "session.timeout.ms": 6_000}
    start = {"auto.offset.reset": "earliest", "enable.auto.commit": False}
    client = Elasticsearch(job.url, request_timeout=TIMEOUT_S)
    with closing(Consumer(settings | start)) as consumer:
        consumer.subscribe([job.topic])
        while True:
            values = [message.value() or b"" for message in consumer.consume(THREADS * CHUNK, WITHIN_S)]
            given = actions(job, values)
            done = parallel_bulk(client, given, thread_count=THREADS, chunk_size=CHUNK, raise_on_error=False)
            failed = sum(not fine for fine, _ in done)
            sys.stderr.write(f"{failed} of {len(values)} not indexed\n")
            if values:
                consumer.commit(asynchronous=False)


def agent(job: Job, **options: Any) -> None:
    """A Faust agent over `take`, and `async_bulk`."""
    folder = tempfile.mkdtemp()
    app = faust.App(
        job.topic,
        broker=f"kafka://{job.bootstrap}",
        datadir=folder,
        web_enabled=False,
        topic_disable_leader=True,
        broker_session_timeout=6.0,
        broker_heartbeat_interval=2.0,
        broker_request_timeout=20.0,
        consumer_auto_offset_reset="earliest",
    )
    topic = app.topic(job.topic, value_type=bytes, value_serializer="raw", internal=False)
    clients: list[AsyncElasticsearch] = []

    @app.agent(topic, concurrency=1)
    async def index(stream: Any) -> None:
        if not clients:
            clients.append(AsyncElasticsearch(job.url, request_timeout=TIMEOUT_S))
        async for values in stream.take(CHUNK, within=WITHIN_S):
            await async_bulk(clients[0], actions(job, values), chunk_size=CHUNK, **options)

    faust.Worker(app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()


def main(client: str, job: str) -> None:
    given = Job(**json.loads(job))
    runners = {"streaming_bulk": streaming, "parallel_bulk": parallel, "faust": agent}
    name, _, careful = client.partition("-")
    runners[name](given, **(CAREFUL if careful else {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
