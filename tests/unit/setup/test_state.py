import asyncio

import pytest

import schemas
from streamer.errors import ElasticRefused, SetupDifference, SetupError, StateError
from streamer.kafka.admin import Topic
from streamer.setup.state import EpochList, ensure_state_index
from tests.fakes.clock import HandClock
from tests.fakes.resources import FakeResources

TOPIC = Topic("films", "topic-a", 2)
STARTS = {0: 0, 1: 5}


@pytest.fixture
def elastic():
    fake = FakeResources()
    fake.resources["streamer-state-000001"] = schemas.body("state") | {"aliases": {"streamer-state": {}}}
    return fake


class Numbers(EpochList):
    """Asks for the epoch of a whole topic."""

    async def epoch_of(self, *asked):
        timeline = await self.timeline_of(*asked)
        return timeline and timeline.newest


def epochs(elastic, cluster="cluster"):
    return Numbers(elastic, "streamer-state", cluster, HandClock())


async def test_the_first_epoch_is_written_once(elastic):
    assert await epochs(elastic).epoch_of(TOPIC, STARTS, "films") == 1
    assert await epochs(elastic).epoch_of(TOPIC, {0: 9, 1: 9}, "films") == 1
    stored = elastic.resources["streamer-state/_doc/epoch%3Acluster%3Afilms%3A1"]
    assert stored == {
        "kind": "epoch",
        "schema_version": 1,
        "cluster_id": "cluster",
        "topic": "films",
        "topic_id": "topic-a",
        "epoch": 1,
        "starts": {"0": 0, "1": 5},
        "created_at_ms": HandClock().now_ms(),
    }
    assert len(elastic.writes) == 1


async def test_a_topic_made_again_opens_the_next_epoch(elastic):
    await epochs(elastic).epoch_of(TOPIC, STARTS, "films")
    elastic.counts["films"] = 100
    assert await epochs(elastic).epoch_of(Topic("films", "topic-b", 2), STARTS, "films") == 2
    assert await epochs(elastic).epoch_of(Topic("films", "topic-b", 2), STARTS, "films") == 2
    # A broker that still knows the old one is behind.
    assert await epochs(elastic).epoch_of(TOPIC, STARTS, "films") is None


async def test_clusters_and_topics_have_lists_of_their_own(elastic):
    await epochs(elastic).epoch_of(TOPIC, STARTS, "films")
    assert await epochs(elastic, "other").epoch_of(Topic("films", "x", 2), STARTS, "films") == 1
    assert await epochs(elastic).epoch_of(Topic("books", "y", 2), STARTS, "films") == 1


async def test_two_instances_that_start_at_once_agree(elastic):
    first, second = epochs(elastic), epochs(elastic)
    both = asyncio.Barrier(2)
    get = elastic.get

    async def get_together(path, **params):
        try:
            return await get(path, **params)
        finally:
            if not elastic.writes:
                await both.wait()

    elastic.get = get_together
    found = await asyncio.gather(first.epoch_of(TOPIC, STARTS, "films"), second.epoch_of(TOPIC, {0: 1, 1: 6}, "films"))
    assert found == [1, 1]
    assert len(elastic.writes) == 2  # both tried, one was refused and read again


async def test_documents_without_an_epoch_are_refused(elastic):
    elastic.counts["films"] = 9_750
    with pytest.raises(StateError, match="knows no epoch"):
        await epochs(elastic).epoch_of(TOPIC, STARTS, "films")


async def test_documents_of_an_instance_that_was_faster_are_not_refused(elastic):
    class Faster(Numbers):
        async def _documents(self, alias, topic):
            await epochs(elastic).epoch_of(TOPIC, STARTS, alias)
            return 3

    assert await Faster(elastic, "streamer-state", "cluster", HandClock()).epoch_of(TOPIC, STARTS, "films") == 1


async def test_the_first_note_of_a_growth_and_of_its_boundary_stays(elastic):
    grown = Topic("films", "topic-a", 4)
    first = await epochs(elastic).note_growth(grown, {0: 7, 1: 9})
    assert await epochs(elastic).note_growth(grown, {0: 70, 1: 90}) == first
    assert (first.kind, first.ends(), first.created_at_ms) == ("growth", {0: 7, 1: 9}, HandClock().now_ms())
    assert (await epochs(elastic).note_boundary(grown, {0: 8, 1: 9})).ends() == {0: 8, 1: 9}
    assert (await epochs(elastic).note_boundary(grown, {0: 80, 1: 90})).ends() == {0: 8, 1: 9}
    # A second growth is another one.
    again = await epochs(elastic).note_growth(Topic("films", "topic-a", 6), dict.fromkeys(range(4), 1))
    assert again.ends() == dict.fromkeys(range(4), 1)


async def test_the_next_epoch_follows_all_of_its_name(elastic):
    await epochs(elastic).epoch_of(TOPIC, STARTS, "films")
    await epochs(elastic).open_next(TOPIC, {0: 7, 1: 9})
    await epochs(elastic).open_next(TOPIC, {2: 0})
    timeline = await epochs(elastic).timeline_of(TOPIC, STARTS, "films")
    assert timeline.marks == {0: ((0, 1), (7, 2)), 1: ((5, 1), (9, 2)), 2: ((0, 3),)}


async def test_nothing_is_written_past_the_alias(elastic):
    del elastic.resources["streamer-state-000001"]["aliases"]
    elastic.resources["streamer-state"] = schemas.body("state")
    with pytest.raises(ElasticRefused, match="404"):
        await epochs(elastic).open_next(TOPIC, STARTS)


async def test_an_epoch_of_a_newer_program_is_refused(elastic):
    await epochs(elastic).epoch_of(TOPIC, STARTS, "films")
    elastic.resources["streamer-state/_doc/epoch%3Acluster%3Afilms%3A1"]["schema_version"] = 2
    with pytest.raises(StateError, match="schema version 2"):
        await epochs(elastic).epoch_of(TOPIC, STARTS, "films")


async def test_a_broken_epoch_is_refused(elastic):
    await epochs(elastic).epoch_of(TOPIC, STARTS, "films")
    del elastic.resources["streamer-state/_doc/epoch%3Acluster%3Afilms%3A1"]["starts"]
    with pytest.raises(StateError, match="is broken"):
        await epochs(elastic).epoch_of(TOPIC, STARTS, "films")


async def test_without_the_state_index_nothing_is_written():
    fake = FakeResources()
    with pytest.raises(SetupError, match="run `streamer setup`"):
        await epochs(fake).epoch_of(TOPIC, STARTS, "films")
    assert fake.writes == []


async def test_a_refusal_that_is_no_conflict_is_raised(elastic):
    async def forbidden(path, body=None, **params):
        raise ElasticRefused(403, "security_exception", "no")

    elastic.put = forbidden
    with pytest.raises(ElasticRefused, match="403"):
        await epochs(elastic).epoch_of(TOPIC, STARTS, "films")


async def test_state_index_is_made_once():
    fake, steps = FakeResources(), []
    await ensure_state_index(fake, "streamer-state", steps.append)
    await ensure_state_index(fake, "streamer-state", steps.append)
    assert [step.state for step in steps] == ["created", "exists"]
    assert fake.writes == ["PUT /streamer-state-000001"]
    assert fake.resources["streamer-state-000001"]["aliases"] == {"streamer-state": {}}


async def test_a_state_index_without_alias_is_refused():
    fake = FakeResources()
    fake.resources["streamer-state"] = schemas.body("state")
    with pytest.raises(SetupError, match="must be an alias"):
        await ensure_state_index(fake, "streamer-state", print)


async def test_a_newer_state_index_is_refused(elastic):
    elastic.resources["streamer-state-000001"]["mappings"]["_meta"]["schema_version"] = 2
    with pytest.raises(StateError, match="state index 'streamer-state' has schema version 2"):
        await ensure_state_index(elastic, "streamer-state", print)


async def test_another_index_in_its_place_is_refused(elastic):
    del elastic.resources["streamer-state-000001"]["mappings"]["properties"]["version"]
    with pytest.raises(SetupDifference, match="version: expected"):
        await ensure_state_index(elastic, "streamer-state", print)
