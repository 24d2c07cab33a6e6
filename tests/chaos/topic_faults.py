"""The faults that need somebody's hand: a topic made again or grown, and the state index lost.

The last two end with the way out that the streamer's own message names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

from tests.chaos.faults import DEPLOYMENT, ELASTIC, KAFKA, STREAMER, TOPIC, fault
from tests.chaos.world import PARTITIONS, World
from tests.fixtures.program import streamer

EVERYTHING = (STREAMER, KAFKA, ELASTIC, DEPLOYMENT, TOPIC)
MOST_PARTITIONS = 8
STOP_S = 60.0


@fault("the topic deleted and made again", 1, 2, *EVERYTHING)
def topic_recreated(world: World, choose: Random) -> Iterator[None]:
    with _writer_at_rest(world):
        # What is not done when its topic goes, goes with it.
        ends = world.kafka.ends(world.case.topic)
        world.until(lambda: world.reached(ends), "everything of the old topic")
        # A commit counts for the new topic from the moment when the stream has noticed it.
        world.reader.trusting = False
        world.kafka.remove(world.case.topic)
        world.kafka.create(world.case.topic, choose.choice([PARTITIONS // 2, PARTITIONS, PARTITIONS + 2]))
        world.writer.start_over()
    try:
        yield
    finally:
        epoch = world.writer.newest_epoch
        world.until(lambda: world.epochs() == {epoch}, f"epoch {epoch} at every streamer")
        world.reader.trusting = True


def _can_grow(world: World) -> bool:
    return len(world.kafka.ends(world.case.topic)) < MOST_PARTITIONS


@fault("partitions added, and `streamer repartition`", 1, 2, *EVERYTHING, possible=_can_grow)
def partitions_added(world: World, choose: Random) -> Iterator[None]:
    topic = world.case.topic
    partitions = len(world.kafka.ends(topic))
    with _writer_at_rest(world):
        _refused(world, f"streamer repartition {topic}", lambda: world.kafka.grow(topic, 2 * partitions))
        report = _told(world, "repartition", topic, "--producers-know-after", "0")
        world.writer.grow({int(number): offset for number, offset in report["boundary"].items()}, report["epoch"])
    _come_back(world)
    yield


def _has_one_epoch(world: World) -> bool:
    """A new state begins with one epoch: what a topic was before it was made again or grown is forgotten with it."""
    return world.writer.newest_epoch == 1


@fault(
    "the state index deleted, and everything read once more into a new index",
    1,
    2,
    *EVERYTHING,
    possible=_has_one_epoch,
)
def state_lost(world: World, choose: Random) -> Iterator[None]:
    case = world.case
    with _writer_at_rest(world):
        _refused(world, "restore the state index", lambda: case.elastic.remove(f"/{case.state_index}"))
        world.reader.blind = True
        case.elastic.remove(f"/{case.index}-000001")
        _told(world, "setup")
        case.group = case.settings["kafka"]["group_id"] = f"{case.group}-again"
        world.reader.start_over(case.group)
        world.reader.blind = False
    _come_back(world)
    yield


@contextmanager
def _writer_at_rest(world: World) -> Iterator[None]:
    world.writer.pause()
    try:
        yield
    finally:
        world.writer.go_on()


def _refused(world: World, words: str, strike: Callable[[], object]) -> None:
    """Strike, and hold that every streamer ends by itself with these words; nobody follows."""
    world.until(world.all_started, "every streamer's start")
    before = [(slot, slot.running) for slot in world.slots]
    for slot in world.slots:
        slot.wanted, slot.expected = False, True
    strike()
    world.until(lambda: not any(slot.alive for slot in world.slots), "a refusal", STOP_S)
    for slot, running in before:
        said = running.log.read_text("utf-8", "replace") if running else ""
        assert words in said, f"{slot.name} said nothing of {words!r}: {said[-2_000:]}"
    # A static member's place is kept until its session has ended.
    world.until(lambda: world.kafka.members(world.case.group) == 0, "the end of every session", STOP_S)


def _come_back(world: World) -> None:
    for slot in world.slots:
        slot.wanted = True
    world.tend()


def _told(world: World, *command: str) -> Any:
    """Run a command of the streamer and return the JSON that it prints."""
    done = streamer(*command, "--json", config=world.case.config)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)
