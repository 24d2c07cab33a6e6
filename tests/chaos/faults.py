"""The faults: each begins where it is entered and ends where it is left; all in one list."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from random import Random

import httpx

from tests.chaos.world import ENCODER, QUEUE, SYNTHETIC, Slot, World, empty
from tests.fixtures.tcp import TcpProxy

Strike = Callable[[World, Random], AbstractContextManager[None]]

NDJSON = {"content-type": "application/x-ndjson"}
FLOOD_PAUSE_S = 0.02
STREAMER, KAFKA, ELASTIC, DEPLOYMENT, TOPIC = "streamer", "kafka", "elasticsearch", "deployment", "topic"


@dataclass(frozen=True)
class Fault:
    """`seconds` are the least and the most it lasts; two faults that touch the same thing never come together.

    `model` is the one model with which it makes sense, if there is only one; `possible` says whether it can be now.
    """

    name: str
    what: str
    seconds: tuple[float, float]
    touches: frozenset[str]
    strike: Strike
    model: str = ""
    possible: Callable[[World], bool] = lambda _: True


FAULTS: dict[str, Fault] = {}


def fault(
    what: str,
    least_s: float,
    most_s: float,
    *touches: str,
    model: str = "",
    possible: Callable[[World], bool] = lambda _: True,
) -> Callable[[Callable[[World, Random], Iterator[None]]], Strike]:
    """Put a function into the list under its own name; it yields where the fault has begun."""

    def listed(strike: Callable[[World, Random], Iterator[None]]) -> Strike:
        made = contextmanager(strike)
        name = strike.__name__
        FAULTS[name] = Fault(name, what, (least_s, most_s), frozenset(touches), made, model, possible)
        return made

    return listed


# --- streamers


@fault("SIGKILL of a streamer, started again at once", 0.5, 2, STREAMER)
def streamer_killed(world: World, choose: Random) -> Iterator[None]:
    world.kill(choose.choice(world.slots))
    yield


@fault("SIGKILL of a streamer, started again later than its session lives", 4, 6, STREAMER)
def streamer_away(world: World, choose: Random) -> Iterator[None]:
    slot = choose.choice(world.slots)
    with empty(slot):
        world.kill(slot)
        yield


@fault("SIGTERM of a streamer", 0.5, 3, STREAMER)
def streamer_stopped(world: World, choose: Random) -> Iterator[None]:
    world.stop(choose.choice(world.slots))
    yield


@fault("a streamer frozen longer than max.poll.interval and session", 7, 9, STREAMER)
def streamer_frozen(world: World, choose: Random) -> Iterator[None]:
    slot = choose.choice([slot for slot in world.slots if slot.alive])
    assert slot.running is not None
    slot.running.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        slot.running.signal(signal.SIGCONT)


@fault("streamers come, go and die in quick succession", 0.5, 2, STREAMER)
def rebalance_storm(world: World, choose: Random) -> Iterator[None]:
    guests = []
    for _ in range(choose.randint(4, 6)):
        guests.append(world.add())
        world.pass_time(choose.uniform(0.5, 2.0))
        if len(guests) > 1:
            _leave(world, guests.pop(0), killed=choose.random() < 0.5)
    try:
        yield
    finally:
        for guest in guests:
            world.remove(guest)


def _leave(world: World, guest: Slot, *, killed: bool) -> None:
    if killed:
        guest.wanted = False
        world.kill(guest)
    world.remove(guest)


@fault("the wall clock jumps by hours, there and back", 2, 4, STREAMER)
def clock_jumps(world: World, choose: Random) -> Iterator[None]:
    world.turn_clock(choose.choice([-1, 1]) * choose.uniform(1, 48))
    try:
        yield
    finally:
        world.turn_clock(choose.choice([-1, 1]) * choose.uniform(1, 48))
        world.pass_time(1.0)
        world.turn_clock(0.0)


# --- Kafka, and the way to it


@fault("SIGKILL of Kafka", 1, 4, KAFKA)
def kafka_killed(world: World, choose: Random) -> Iterator[None]:
    world.stack.kafka.kill()
    try:
        yield
    finally:
        world.stack.kafka.start()


@fault("Kafka frozen", 2, 5, KAFKA)
def kafka_frozen(world: World, choose: Random) -> Iterator[None]:
    world.stack.kafka.suspend()
    try:
        yield
    finally:
        world.stack.kafka.resume()


@fault("every packet from and to Kafka is late", 3, 6, KAFKA)
def kafka_late(world: World, choose: Random) -> Iterator[None]:
    yield from _slow(world.kafka_net, latency_s=choose.uniform(0.1, 0.6))


@fault("few bytes a second from and to Kafka", 3, 6, KAFKA)
def kafka_slow(world: World, choose: Random) -> Iterator[None]:
    yield from _slow(world.kafka_net, bytes_per_s=choose.uniform(10_000, 60_000))


@fault("connections to Kafka reset, again and again", 1, 3, KAFKA)
def kafka_cut(world: World, choose: Random) -> Iterator[None]:
    yield from _cut(world.kafka_net, world, choose)


@fault("connections to Kafka reset, and new ones refused", 2, 6, KAFKA)
def kafka_refused(world: World, choose: Random) -> Iterator[None]:
    yield from _refused(world.kafka_net)


@fault("half-open connections to Kafka: bytes are taken and none arrives", 3, 8, KAFKA)
def kafka_half_open(world: World, choose: Random) -> Iterator[None]:
    yield from _half_open(world.kafka_net, choose)


# --- Elasticsearch, and the way to it


@fault("SIGKILL of Elasticsearch", 1, 4, ELASTIC, DEPLOYMENT)
def elasticsearch_killed(world: World, choose: Random) -> Iterator[None]:
    world.expect_replay()
    world.stack.elasticsearch.kill()
    try:
        yield
    finally:
        world.stack.elasticsearch.start()


@fault("Elasticsearch frozen", 3, 10, ELASTIC, DEPLOYMENT)
def elasticsearch_frozen(world: World, choose: Random) -> Iterator[None]:
    world.stack.elasticsearch.suspend()
    try:
        yield
    finally:
        world.stack.elasticsearch.resume()


@fault("every packet from and to Elasticsearch is late", 3, 6, ELASTIC)
def elasticsearch_late(world: World, choose: Random) -> Iterator[None]:
    yield from _slow(world.elastic_net, latency_s=choose.uniform(0.1, 0.6))


@fault("few bytes a second from and to Elasticsearch", 3, 6, ELASTIC)
def elasticsearch_slow(world: World, choose: Random) -> Iterator[None]:
    yield from _slow(world.elastic_net, bytes_per_s=choose.uniform(10_000, 60_000))


@fault("connections to Elasticsearch reset, again and again", 1, 3, ELASTIC)
def elasticsearch_cut(world: World, choose: Random) -> Iterator[None]:
    yield from _cut(world.elastic_net, world, choose)


@fault("connections to Elasticsearch reset, and new ones refused", 2, 6, ELASTIC)
def elasticsearch_refused(world: World, choose: Random) -> Iterator[None]:
    yield from _refused(world.elastic_net)


@fault("half-open connections to Elasticsearch: bytes are taken and none arrives", 3, 10, ELASTIC)
def elasticsearch_half_open(world: World, choose: Random) -> Iterator[None]:
    yield from _half_open(world.elastic_net, choose)


@fault("connections dropped before or after the request was done", 2, 5, ELASTIC)
def connections_dropped(world: World, choose: Random) -> Iterator[None]:
    when = choose.choice(["before", "after"])
    yield from _set(world, "drop_connections", when=when, path="_bulk", share=0.5, seed=choose.randrange(1_000))


@fault("whole requests answered 429", 2, 5, ELASTIC)
def requests_429(world: World, choose: Random) -> Iterator[None]:
    yield from _set(world, "http_status", status=429, path="_bulk", share=choose.uniform(0.3, 1.0))


@fault("whole requests answered 503", 2, 5, ELASTIC)
def requests_503(world: World, choose: Random) -> Iterator[None]:
    yield from _set(world, "http_status", status=503, path="_bulk", share=choose.uniform(0.3, 1.0))


@fault("whole requests answered 413", 1, 2, ELASTIC)
def requests_413(world: World, choose: Random) -> Iterator[None]:
    yield from _set(world, "http_status", status=413, path="_bulk", count=choose.randint(1, 3))


@fault("a whole request answered 400", 1, 2, ELASTIC)
def requests_400(world: World, choose: Random) -> Iterator[None]:
    yield from _set(world, "http_status", status=400, path="_bulk", count=1)


@fault("indexing pressure: whole writes answered 429", 2, 5, ELASTIC)
def indexing_pressure(world: World, choose: Random) -> Iterator[None]:
    yield from _set(world, "indexing_pressure", share=choose.uniform(0.3, 1.0))


@fault("the index refuses writes", 2, 5, ELASTIC)
def index_blocked(world: World, choose: Random) -> Iterator[None]:
    path = f"/{world.case.index}-000001/_settings"
    world.elastic.ask("PUT", path, {"index.blocks.write": True})
    try:
        yield
    finally:
        world.elastic.ask("PUT", path, {"index.blocks.write": None})


# --- the deployment


@fault("a share of the documents refused by a full queue", 3, 6, DEPLOYMENT)
def items_rejected(world: World, choose: Random) -> Iterator[None]:
    share = choose.choice([0.01, 0.3, 0.8, 1.0])
    yield from _set(world, "reject_items", share=share, deployment=world.case.deployment, seed=choose.randrange(1_000))


@fault("somebody else fills the deployment's queue", 3, 6, DEPLOYMENT)
def queue_flooded(world: World, choose: Random) -> Iterator[None]:
    ended = threading.Event()
    rival = threading.Thread(target=_flood, args=(world, ended), name="rival")
    rival.start()
    try:
        yield
    finally:
        ended.set()
        rival.join()


@fault("inference many times slower", 3, 6, DEPLOYMENT)
def inference_slow(world: World, choose: Random) -> Iterator[None]:
    yield from _set(world, "slow", deployment=world.case.deployment, factor=choose.uniform(3, 10))


@fault("inference stands still", 3, 10, DEPLOYMENT)
def inference_stalled(world: World, choose: Random) -> Iterator[None]:
    yield from _set(world, "stall", deployment=world.case.deployment)


@fault("the deployment stopped by force, and started again", 2, 5, DEPLOYMENT)
def deployment_stopped(world: World, choose: Random) -> Iterator[None]:
    world.elastic.stop_deployment(world.case.deployment)
    try:
        yield
    finally:
        start_deployment(world)


@fault("the deployment's task cannot be found", 2, 5, DEPLOYMENT)
def deployment_lost(world: World, choose: Random) -> Iterator[None]:
    yield from _set(world, "lose_deployment", deployment=world.case.deployment)


@fault("SIGKILL of an encoder process", 1, 2, DEPLOYMENT, model=ENCODER)
def encoder_killed(world: World, choose: Random) -> Iterator[None]:
    world.elastic.fault("crash_process", deployment=world.case.deployment)
    try:
        yield
    finally:
        states = {"started", "failed"}
        world.until(lambda: world.elastic.state(world.case.deployment) in states, "the end of the encoder's restart")
        if world.elastic.state(world.case.deployment) == "failed":
            # As on a real node: too many deaths in a day, and somebody has to start it anew.
            world.elastic.stop_deployment(world.case.deployment)
            start_deployment(world)


@fault("another model started under the deployment's name, then the right one again", 3, 5, DEPLOYMENT, STREAMER)
def deployment_replaced(world: World, choose: Random) -> Iterator[None]:
    """Streamers end by themselves and refuse to start until the right one is back."""
    world.elastic.stop_deployment(world.case.deployment)
    other = SYNTHETIC if world.kind.model == ENCODER else ENCODER
    world.elastic.start_deployment(world.case.deployment, model=other)
    try:
        yield
    finally:
        world.elastic.stop_deployment(world.case.deployment)
        start_deployment(world)


# --- the topic


@fault("records of random bytes", 0.5, 1, TOPIC)
def records_corrupted(world: World, choose: Random) -> Iterator[None]:
    world.writer.corrupt(choose.randint(5, 30))
    yield


# --- what several share


def start_deployment(world: World) -> None:
    """Start the deployment as the settings have it."""
    world.elastic.start_deployment(
        world.case.deployment,
        model=world.kind.model,
        number_of_allocations=world.kind.allocations,
        queue_capacity=QUEUE,
    )


def _set(world: World, kind: str, **parameters: float | str) -> Iterator[None]:
    world.elastic.fault(kind, **parameters)
    try:
        yield
    finally:
        world.elastic.remove(f"/_local/faults/{kind}")


def _slow(net: TcpProxy, **parameters: float) -> Iterator[None]:
    net.slow(**parameters)
    try:
        yield
    finally:
        net.heal()


def _cut(net: TcpProxy, world: World, choose: Random) -> Iterator[None]:
    for _ in range(choose.randint(2, 6)):
        net.cut()
        world.pass_time(choose.uniform(0.0, 0.5))
    yield


def _refused(net: TcpProxy) -> Iterator[None]:
    net.refuse()
    net.cut()
    try:
        yield
    finally:
        net.heal()


def _half_open(net: TcpProxy, choose: Random) -> Iterator[None]:
    net.hold()
    try:
        yield
    finally:
        # What was on its way arrives late, or never.
        if choose.random() < 0.5:
            net.cut()
        net.heal()


def _flood(world: World, ended: threading.Event) -> None:
    """Keep the deployment's queue full with documents that nobody wants."""
    operations = "".join(
        f'{{"index":{{"_index":"rival","_id":"{number}"}}}}\n{{"text":"a"}}\n' for number in range(300)
    )
    pipeline = f"{world.case.name}-elser"
    with httpx.Client(base_url=world.stack.elasticsearch_url, timeout=60.0) as http:
        while not ended.is_set():
            with contextlib.suppress(httpx.TransportError):
                answer = http.post("/_bulk", params={"pipeline": pipeline}, content=operations, headers=NDJSON)
                items = answer.json().get("items", ()) if answer.is_success else ()
                world.foreign += sum("error" not in item["index"] for item in items)
            time.sleep(FLOOD_PAUSE_S)
