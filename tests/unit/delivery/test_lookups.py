"""A text that the index has the tokens of is not inferred again, and asking stands in nobody's way."""

import asyncio

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.delivery.dispatcher import Bounds
from streamer.errors import ElasticRefused, ElasticTimeout, ElasticUnavailable
from streamer.intake.route import Reuse
from streamer.model import LOOK_UP, PLAIN
from tests.fakes.clock import VirtualLoop, in_virtual_time
from tests.fakes.elastic import NOT_DEPLOYED, QUEUE_FULL, FakeElastic, tokens_of
from tests.unit.builders import LANE, P0, P1, deletion, route
from tests.unit.delivery.stage import LEXICAL_AFTER_S, stage

BOUNDS = Bounds(inference_units=64, plain_units=32, bulk_bytes=1_000_000, linger_s=0.0)
NO_SHARD = {"error": {"type": "no_shard_available_action_exception", "reason": "No shard available"}}


def update(world, name, text="a film", **fields):
    """Take a record of the document `name`; its hash is a function of its text."""
    body = orjson.dumps({"text": text, "turn": world.next})
    (one,) = world.take(name, body=body, text_hash=f"hash of {text}", unasked=True, **fields)
    world.runtime.bell.ring()
    return one


def begin(world):
    world.dispatch(BOUNDS)
    world.runtime.spawn(world.lookups.run())


async def indexed(world, *names):
    """Index documents, through the pipeline; forget that it was so."""
    begin(world)
    for name in names:
        update(world, name)
    await asyncio.sleep(5.0)
    assert world.results() == {"indexed": len(names)}
    world.elastic.inferred.clear()
    world.elastic.asked.clear()


def lookups(world):
    found = world.runtime.meter.exposition().decode().splitlines()
    values = (line.rsplit(" ", 1) for line in found if line.startswith("streamer_lookups_total{"))
    return {name.split('answer="')[1].split('"')[0]: int(float(value)) for name, value in values}


@in_virtual_time
async def test_an_unchanged_text_keeps_its_tokens_and_everything_else_is_new():
    async with stage() as world:
        await indexed(world, "a", "b")
        same, other = update(world, "a"), update(world, "b", "another film")
        await asyncio.sleep(5.0)
        assert world.elastic.inferred == ["b"]
        assert world.results() == {"indexed": 3, "unchanged": 1}
        assert (world.elastic.versions["a"], world.elastic.versions["b"]) == (same.version, other.version)
        found = world.elastic.documents["a"]
        assert (found["turn"], found["text_tokens"], found["model_id"]) == (2, tokens_of("a film"), "m")
        assert found["_streamer"]["text_hash"] == "hash of a film"
        assert lookups(world) == {"absent": 2, "unchanged": 1, "changed": 1}
        # And once more: the hash was kept.
        update(world, "a")
        await asyncio.sleep(5.0)
        assert world.results()["unchanged"] == 2
        world.check_all_is_done()


@in_virtual_time
async def test_many_are_asked_about_at_a_time_first_for_the_hash_only():
    async with stage() as world:
        await indexed(world, *[f"d{n:03}" for n in range(300)])
        world.elastic.asked.clear()
        for n in range(300):
            update(world, f"d{n:03}", "another film" if n else "a film")
        await asyncio.sleep(10.0)
        names = [name for asked, params in world.elastic.asked if "text_tokens" not in str(params) for name in asked]
        assert sorted(names) == [f"d{n:03}" for n in range(300)]
        assert max(len(asked) for asked, _ in world.elastic.asked) <= 200
        with_tokens = [asked for asked, params in world.elastic.asked if "text_tokens" in str(params)]
        assert with_tokens == [["d000"]]
        world.check_all_is_done()


@in_virtual_time
async def test_only_a_few_look_ups_are_out_and_what_comes_meanwhile_goes_together():
    async with stage() as world:
        begin(world)
        for n in range(50):
            update(world, f"d{n}")
            await asyncio.sleep(0.001)
        await asyncio.sleep(10.0)
        assert [len(asked) for asked, _ in world.elastic.asked][:4] == [1, 1, 1, 1]
        assert len(world.elastic.asked) <= 8
        world.check_all_is_done()


@pytest.mark.parametrize("hidden", [False, True])
@in_virtual_time
async def test_vectors_are_asked_for_where_the_server_hides_them(hidden):
    async with stage(route=route(reuse=Reuse("", hidden=hidden))) as world:
        await indexed(world, "a")
        update(world, "a")
        await asyncio.sleep(1.0)
        shown = [params.get("_source_exclude_vectors") for _, params in world.elastic.asked]
        assert shown == [None, "false" if hidden else None]


@in_virtual_time
async def test_a_hold_of_the_deployment_does_not_hold_what_is_unchanged():
    async with stage() as world:
        await indexed(world, "a", "b")
        world.elastic.uninferred = lambda _: NOT_DEPLOYED
        update(world, "b", "another film")
        await asyncio.sleep(2.0)
        assert world.gate.hold is not None
        update(world, "a")
        await asyncio.sleep(1.0)
        assert world.results() == {"indexed": 2, "unchanged": 1}
        world.elastic.uninferred = lambda _: None
        await asyncio.sleep(10.0)
        world.check_all_is_done()


@in_virtual_time
async def test_a_newer_record_takes_the_place_of_one_that_is_asked_about():
    async with stage() as world:
        await indexed(world, "a")
        world.elastic.seconds = 1.0
        update(world, "a")
        await asyncio.sleep(0.1)
        update(world, "a", "another film")
        assert (world.books.accounts.waiting.total(), world.books.accounts.in_flight.total()) == (2, 0)
        await asyncio.sleep(10.0)
        assert world.results() == {"indexed": 2, "superseded": 1}
        assert world.elastic.documents["a"]["text_tokens"] == tokens_of("another film")
        world.check_all_is_done()


@in_virtual_time
async def test_a_deletion_does_not_wait_for_an_answer():
    async with stage() as world:
        await indexed(world, "a")
        world.elastic.unread, world.elastic.seconds = NO_SHARD, 0.1
        update(world, "a")
        await asyncio.sleep(0.05)
        world.take("a", make=deletion)
        world.runtime.bell.ring()
        await asyncio.sleep(0.2)
        assert world.results() == {"indexed": 1, "superseded": 1, "deleted": 1}
        await asyncio.sleep(5.0)
        assert world.elastic.documents == {}
        world.check_all_is_done()


@pytest.mark.parametrize(
    "failure",
    [ElasticUnavailable("no route"), ElasticTimeout("silence"), ElasticRefused(503, "blocked", ""), NO_SHARD],
)
@in_virtual_time
async def test_while_elasticsearch_is_away_it_waits_and_one_tells_the_gate(failure):
    async with stage() as world:
        names = [f"d{n}" for n in range(50)]
        await indexed(world, *names)
        world.elastic.unread = failure
        world.elastic.breaks = lambda _: ElasticUnavailable("no route")
        for name in names:
            update(world, name)
        await asyncio.sleep(60.0)
        assert world.gate.hold.reason == "unreachable"
        assert len(world.elastic.asked) < 300
        world.elastic.unread, world.elastic.breaks = None, lambda _: None
        await asyncio.sleep(20.0)
        # What told the gate was inferred: one in flight, and one behind it.
        assert len(world.elastic.inferred) <= 2
        assert world.results()["unchanged"] >= 48
        world.check_all_is_done()


@pytest.mark.parametrize(
    "failure", [ElasticRefused(403, "security_exception", "no"), {"error": {"type": "index_not_found_exception"}}]
)
@in_virtual_time
async def test_what_cannot_be_looked_up_is_inferred(failure):
    async with stage() as world:
        await indexed(world, "a", "b")
        world.elastic.unread = failure
        update(world, "a")
        update(world, "b")
        await asyncio.sleep(1.0)
        assert sorted(world.elastic.inferred) == ["a", "b"]
        assert lookups(world) == {"absent": 2, "failed": 2}
        world.check_all_is_done()


@in_virtual_time
async def test_tokens_are_taken_only_beside_their_hash():
    """The document is written by somebody else after its hash was read."""
    async with stage() as world:
        await indexed(world, "a")
        update(world, "a")
        await asyncio.sleep(0.15)
        assert len(world.elastic.asked) == 2
        world.elastic.documents["a"] = {"text_tokens": {"wrong": 1.0}, "_streamer": {"text_hash": "hash of b"}}
        await asyncio.sleep(1.0)
        assert world.elastic.inferred == ["a"]
        assert world.elastic.documents["a"]["text_tokens"] == tokens_of("a film")
        assert lookups(world) == {"absent": 1, "changed": 1}


@in_virtual_time
async def test_a_document_that_lost_its_tokens_is_inferred():
    async with stage() as world:
        await indexed(world, "a")
        del world.elastic.documents["a"]["text_tokens"]
        update(world, "a")
        await asyncio.sleep(1.0)
        assert world.elastic.inferred == ["a"]
        assert lookups(world) == {"absent": 1, "unreadable": 1}


@in_virtual_time
async def test_an_answer_for_a_partition_that_was_given_up_changes_nothing():
    async with stage() as world:
        await indexed(world, "a")
        world.books.assign(P1)
        update(world, "a")
        await asyncio.sleep(0.05)
        world.books.leave([P0])
        world.books.fence(P0)
        await asyncio.sleep(1.0)
        assert world.results() == {"indexed": 1, "handed_over": 1}
        assert world.books.waiting(LANE) == world.books.waiting(PLAIN) == world.books.waiting(LOOK_UP) == 0


@in_virtual_time
async def test_documents_that_wait_with_their_tokens_are_bounded():
    async with stage() as world:
        names = [f"d{n:04}" for n in range(3_000)]
        await indexed_all(world, names)
        world.gates[PLAIN].close("unreachable")
        world.elastic.breaks = lambda _: ElasticUnavailable("no route")
        for name in names:
            update(world, name)
        await asyncio.sleep(30.0)
        assert 1_000 <= world.books.waiting(PLAIN) <= 1_000 + 4 * 200
        world.elastic.breaks = lambda _: None
        await asyncio.sleep(30.0)
        assert world.results()["unchanged"] == 3_000
        world.check_all_is_done()


async def indexed_all(world, names):
    world.elastic.seconds = 0.001
    await indexed(world, *names)


@in_virtual_time
async def test_a_record_that_is_sent_again_is_replaced_by_a_newer_one_that_was_not_asked_about():
    async with stage() as world:
        await indexed(world, "a")
        world.elastic.fails = lambda _: QUEUE_FULL
        update(world, "a", "another film")
        await asyncio.sleep(0.25)
        update(world, "a", "a third film")
        world.elastic.fails = lambda _: None
        await asyncio.sleep(10.0)
        assert world.elastic.inferred == ["a"]
        assert world.results() == {"indexed": 2, "superseded": 1}
        world.check_all_is_done()


@in_virtual_time
async def test_without_inference_only_what_has_no_tokens_goes_without():
    async with stage(route=route(lexical=True)) as world:
        await indexed(world, "a", "b")
        world.elastic.uninferred = lambda _: NOT_DEPLOYED
        update(world, "b", "another film")
        await asyncio.sleep(LEXICAL_AFTER_S + 5.0)
        for text in ("a third film", "a fourth film"):
            update(world, "b", text)
        update(world, "a")
        await asyncio.sleep(20.0)
        assert world.results() == {"indexed": 2, "lexical": 2, "superseded": 1, "unchanged": 1}
        assert world.elastic.documents["b"]["_streamer"]["text_hash"] == ""
        world.elastic.uninferred = lambda _: None
        update(world, "b", "a fourth film")
        await asyncio.sleep(10.0)
        assert world.elastic.inferred == ["b"]
        world.check_all_is_done()


STEPS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(["one", "two words", "three more words", None]),
        st.sampled_from([0.0, 0.05, 0.3, 2.0]),
        st.sampled_from(["well"] * 5 + ["full", "gone", "silent", "unread", "no_shard", "forbidden"]),
    ),
    min_size=1,
    max_size=25,
)
MOODS = {
    "full": {"uninferred": lambda _: QUEUE_FULL},
    "gone": {"uninferred": lambda _: NOT_DEPLOYED},
    "silent": {"breaks": lambda _: ElasticUnavailable("no route")},
    "unread": {"unread": ElasticUnavailable("no route")},
    "no_shard": {"unread": NO_SHARD},
    "forbidden": {"unread": ElasticRefused(403, "security_exception", "no")},
}
WELL = {"uninferred": lambda _: None, "breaks": lambda _: None, "unread": None}


async def played(steps, *, reuse):
    """Return the documents and how often was inferred, after records with pauses and troubles between them."""
    elastic = FakeElastic()
    async with stage(elastic=elastic) as world:
        begin(world)
        for name, text, pause, mood in steps:
            for field, value in (WELL | MOODS.get(mood, {})).items():
                setattr(elastic, field, value)
            if text is None:
                world.take(name, make=deletion)
            elif reuse:
                update(world, name, text)
            else:
                update(world, name, text).unasked = False
                world.books._batcher.add(("films", name, False), 0.0)
            world.runtime.bell.ring()
            await asyncio.sleep(pause)
        for field, value in WELL.items():
            setattr(elastic, field, value)
        await asyncio.sleep(120.0)
        world.check_all_is_done()
    return {name: without_time(document) for name, document in elastic.documents.items()}, len(elastic.inferred)


def without_time(document):
    kept = {name: value for name, value in document["_streamer"].items() if name != "indexed_at_ms"}
    return document | {"_streamer": kept}


@given(STEPS)
@settings(max_examples=150, deadline=None)
def test_whatever_happens_the_documents_are_those_of_inferring_all(steps):
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        spared, fewer = runner.run(played(steps, reuse=True))
        inferred, all_of_them = runner.run(played(steps, reuse=False))
    assert spared == inferred
    assert fewer <= all_of_them or any(mood != "well" for *_, mood in steps)
    newest = {name: text for name, text, _, _ in steps}
    assert {name: document["text_tokens"] for name, document in spared.items()} == {
        name: tokens_of(text) for name, text in newest.items() if text is not None
    }
