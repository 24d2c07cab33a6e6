"""Whatever Elasticsearch answers, and whenever keys change meanwhile, the index ends as if nothing had happened."""

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.delivery.outcome import PROCESS_DIED, Action, Answer, Layer, Place, judge
from streamer.errors import ElasticTimeout, ElasticUnavailable, UnknownAnswer
from streamer.model import PLAIN
from tests.fakes.clock import VirtualLoop
from tests.fakes.moody import KILLER, MALFORMED, Mood, MoodyElastic
from tests.unit.builders import P0, deletion, write
from tests.unit.delivery.answers import ITEMS, REQUESTS
from tests.unit.delivery.stage import stage
from tests.unit.delivery.test_dispatcher import BOUNDS

PATIENCE_S = 3_600.0
BAD_VALUE = (400, "document_parsing_exception", "[1:7] failed to parse field [n] of type [long]")

PASSING = (Action.RETRY, Action.HOLD)
OF_INFERENCE = ("queue_full", "inference_timeout", "task_cancelled")


@dataclass(frozen=True)
class Step:
    """A record: its key, what it is, and how long after the one before it comes."""

    key: str
    kind: str
    after_s: float


def of_inference(answer):
    """Return whether only a document that is inferred can get this answer."""
    return judge(Answer(Layer.ITEM, *answer[:3])).place is Place.DEPLOYMENT or answer[4] in OF_INFERENCE


def answering(answers, **fields):
    """Return moods that give one of `answers`."""
    failures = st.sampled_from([answer[:3] for answer in answers])
    return st.builds(Mood, failure=failures, seconds=seconds, **fields)


places = st.one_of(st.just(frozenset(range(99))), st.frozensets(st.integers(0, 7), min_size=1))
seconds = st.sampled_from([0.0, 0.1, 0.4, 2.0])
steps = st.builds(
    Step,
    st.sampled_from("abc"),
    st.sampled_from(["text", "text", "text", "no text", "deletion", "bad value", "malformed", "killer"]),
    st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.7, 3.0]),
)
items = st.one_of(
    answering([it for it in ITEMS if it[3] in PASSING and of_inference(it)], places=places, inferring=st.just(True)),
    answering([it for it in ITEMS if it[3] in PASSING and not of_inference(it)], places=places),
    answering([it for it in ITEMS if it[3] is Action.SPLIT], places=places, crowded=st.just(True)),
)
requests = st.one_of(
    answering([it for it in REQUESTS if it[3] in PASSING]),
    answering([it for it in REQUESTS if it[3] is Action.SPLIT], crowded=st.just(True)),
)
silences = st.builds(
    Mood,
    silence=st.sampled_from([ElasticTimeout, ElasticUnavailable]),
    done=st.sampled_from(["never", "before", "later", "later"]),
    seconds=seconds,
)
stops = answering([it for it in ITEMS if it[3] is Action.STOP], places=places)
limits = st.sampled_from([1, 2, 3, 1_000])


def made(number, step, generation):
    """Return the write of a step; its number is its offset."""
    make = deletion if step.kind == "deletion" else write
    lane = {"lane": PLAIN} if step.kind == "no text" else {}
    return make(number, step.key, generation=generation, **lane)


def with_one_death(moods):
    """Leave out all deaths of the process but the first: the third over a document is its end, good or not."""
    deaths = [
        mood for mood in moods if mood.failure and judge(Answer(Layer.ITEM, *mood.failure)).reason == PROCESS_DIED
    ]
    return [mood for mood in moods if mood not in deaths or mood is deaths[0]]


def bad_ones(given_steps):
    """Return what can never be indexed, by version."""
    failures = {"bad value": BAD_VALUE, "malformed": MALFORMED, "killer": KILLER}
    return {
        made(number, step, 1).version: failures[step.kind]
        for number, step in enumerate(given_steps)
        if step.kind in failures
    }


def expected(given_steps):
    """Return the version of each key that all must come to: the one of its newest good record."""
    bad = bad_ones(given_steps)
    versions = [(step.key, made(number, step, 1).version) for number, step in enumerate(given_steps)]
    return {key: version for key, version in versions if version not in bad}


async def stream(world, given_steps):
    """Let the records come from `world.next` on, and wait until all are done."""
    world.dispatch(BOUNDS)
    for number, step in enumerate(given_steps[world.next :], world.next):
        await asyncio.sleep(step.after_s)
        world.books.take([made(number, step, world.generation)])
        world.next = number + 1
        world.runtime.bell.ring()
    async with asyncio.timeout(PATIENCE_S):
        while world.books.ledger[P0].position < len(given_steps):
            await world.runtime.bell.wait(1.0)
    # The last of the bulks have yet to give their bytes back.
    await asyncio.sleep(0.5)


def assert_ended_well(world, given_steps):
    """Hold what every run must come to."""
    found = {key: version for key, version in world.elastic.versions.items() if not key.startswith("marker:")}
    assert found == expected(given_steps)
    assert {letter["version"] for letter in world.producer.values("dead")} <= bad_ones(given_steps).keys()
    assert world.elastic.sent_again == []
    world.check_all_is_done()


def run(coroutine):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(coroutine)


@settings(max_examples=150, deadline=None)
@given(st.lists(steps, min_size=1, max_size=25), st.lists(st.one_of(items, requests, silences), max_size=15), limits)
def test_any_answers_end_in_the_same_index(given_steps, moods, most):
    async def test():
        elastic = MoodyElastic(with_one_death(moods), bad_ones(given_steps), most)
        async with stage(elastic=elastic) as world:
            await stream(world, given_steps)
            await elastic.rest()
            assert_ended_well(world, given_steps)

    run(test())


async def streamed_to_a_stop(elastic, given_steps, position):
    """Stream from a committed `position` until the end or an unknown answer; return the stage as it was then."""
    try:
        async with stage(elastic=elastic) as world:
            world.next = position
            await stream(world, given_steps)
    except* UnknownAnswer:
        pass
    return world


@settings(max_examples=50, deadline=None)
@given(
    st.lists(steps, min_size=1, max_size=15), st.lists(st.one_of(items, silences, stops, stops), max_size=10), limits
)
def test_a_stop_and_a_restart_end_in_the_same_index(given_steps, moods, most):
    async def test():
        elastic, position = MoodyElastic(with_one_death(moods), bad_ones(given_steps), most), 0
        while position < len(given_steps):
            world = await streamed_to_a_stop(elastic, given_steps, position)
            position = world.books.ledger[P0].position or position
            # Who starts again knows nothing of what was acknowledged.
            elastic.acknowledged.clear()
        await elastic.rest()
        assert_ended_well(world, given_steps)

    run(test())
