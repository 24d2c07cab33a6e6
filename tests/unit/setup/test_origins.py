"""Topics as a run knows them, and what the watch makes of their changes."""

import asyncio

import pytest

import schemas
from streamer.errors import ElasticUnavailable, KafkaUnavailable, SettingsError, SetupError, StateError
from streamer.intake.decode import Decoder
from streamer.intake.parcel import ParcelDecoder
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Topic
from streamer.metrics import Meter
from streamer.model import BACKLOG, REDRIVE, Partition
from streamer.runtime import Runtime
from streamer.setup.origins import OldOrigins, Origins
from streamer.setup.state import EpochList
from streamer.setup.watch import Watch
from tests.fakes.admin import FakeAdmin
from tests.fakes.clock import HandClock
from tests.fakes.resources import FakeResources
from tests.unit.builders import P0, P1, P2, route

A, B = Topic("films", "a", 2), Topic("films", "b", 2)
PARCELS = {"streamer-redrive": REDRIVE, "streamer-backlog": BACKLOG}
OWN = [Topic(name, f"id-of-{name}", 2) for name in PARCELS]


class World:
    def __init__(self, kind=Origins, **fields):
        self.elastic = FakeResources()
        self.elastic.resources["state-000001"] = schemas.body("state") | {"aliases": {"state": {}}}
        self.admin = FakeAdmin(first={P0: 3})
        self.change(A)
        self.epochs = EpochList(self.elastic, "state", "cluster", HandClock())
        self.origins = kind(self.admin, self.epochs, {"films": route(**fields)}, PARCELS)
        self.renewed = []
        runtime = Runtime(HandClock(), Meter(()), asyncio.TaskGroup())
        self.watch = Watch(self.origins, lambda topics: self.renewed.extend(sorted(topics)), runtime)

    def change(self, *topics):
        self.admin.found = {topic.name: topic for topic in (*topics, *OWN)}

    def noted(self):
        return [name for name in self.elastic.resources if "/_doc/growth" in name]


@pytest.fixture
def world():
    return World()


async def test_a_topic_is_asked_for_once(world):
    await world.origins.open()
    origin = await world.origins.of(P0)
    assert (origin.route, origin.topic_id, origin.timeline) == ("films", "a", Timeline({0: ((3, 1),), 1: ((0, 1),)}))
    assert world.origins.topic_ids["films"] == "a"
    world.change()
    assert await world.origins.of(P1) is origin


async def test_a_topic_that_is_missing_at_the_start_is_an_error_and_later_is_waited_for(world):
    world.change()
    with pytest.raises(SetupError, match="'films' of route 'films' does not exist"):
        await world.origins.open()
    assert await world.origins.of(P0) is None


async def test_a_pattern_is_not_looked_for_at_the_start():
    world = World(topics=("^films.*",))
    world.change()
    await world.origins.open()


async def test_a_topic_of_no_route_is_an_error(world):
    with pytest.raises(SettingsError, match="by none"):
        await world.origins.of(Partition("books", 0))


async def test_nothing_new(world):
    await world.origins.open()
    await world.watch.look()
    assert world.renewed == []


async def test_a_topic_made_again_is_renewed_once_and_gets_the_next_epoch(world):
    await world.origins.open()
    world.change(B)
    await world.watch.look()
    assert world.renewed == ["films"]
    origin = await world.origins.of(P0)
    assert (origin.topic_id, origin.timeline.newest) == ("b", 2)
    await world.watch.look()
    assert world.renewed == ["films"]


async def test_a_topic_that_goes_and_comes_back(world):
    await world.origins.open()
    world.change()
    await world.watch.look()
    await world.watch.look()
    assert (world.renewed, await world.origins.of(P0)) == (["films"], None)
    world.change(B)
    await world.watch.look()
    await world.watch.look()
    assert world.renewed == ["films", "films"]
    assert (await world.origins.of(P0)).timeline.newest == 2


async def test_a_broker_that_is_behind_is_not_believed(world):
    await world.origins.open()
    world.change(B)
    await world.watch.look()
    assert (await world.origins.of(P0)).timeline.newest == 2
    world.change(A)
    await world.watch.look()
    assert await world.origins.of(P0) is None
    world.change(B)
    await world.watch.look()
    assert (await world.origins.of(P0)).timeline.newest == 2


async def test_a_topic_that_grows_is_refused_and_noted(world):
    await world.origins.open()
    world.admin.ends = {P0: 10, P1: 20}
    world.change(Topic("films", "a", 3))
    with pytest.raises(StateError, match="has 3 partitions and had 2"):
        await world.watch.look()
    (name,) = world.noted()
    assert world.elastic.resources[name]["starts"] == {"0": 10, "1": 20}
    with pytest.raises(StateError, match="has 3 partitions and had 2"):
        await world.origins.of(P2)


async def test_a_topic_that_has_grown_is_drained_by_its_old_partitions():
    world = World(OldOrigins)
    await world.origins.of(P0)
    world.change(Topic("films", "a", 3))
    assert await world.origins.of(P2) is None
    assert (await world.origins.of(P1)).timeline.newest == 1
    assert world.noted() == []


async def test_a_partition_that_the_new_topic_lacks_is_waited_for(world):
    await world.origins.open()
    world.change(Topic("films", "b", 1))
    assert await world.origins.of(P1) is not None
    assert await world.origins.is_another("films")
    assert await world.origins.of(P1) is None
    assert (await world.origins.of(P0)).topic_id == "b"
    assert not await world.origins.is_another("films")


async def test_whether_a_topic_is_another_is_said_once(world):
    await world.origins.open()
    world.change(Topic("films", "b", 2))
    await world.watch.look()
    assert world.renewed == ["films"]
    assert not await world.origins.is_another("films")


async def test_a_topic_of_which_nobody_can_tell_is_asked_for_again(world):
    world.admin.failure = KafkaUnavailable("no broker")
    assert await world.origins.of(P0) is None
    world.admin.failure = None
    await world.watch.look()
    assert world.renewed == ["films"]
    assert await world.origins.of(P0) is not None


async def test_the_first_offset_is_asked_for(world):
    assert await world.origins.first_offset(P0) == 3


@pytest.mark.parametrize("lost", ["state-000001", "state/_doc/epoch%3Acluster%3Afilms%3A1"])
async def test_epochs_that_are_gone_stop_the_stream(world, lost):
    await world.origins.open()
    del world.elastic.resources[lost]
    with pytest.raises(StateError, match=r"epoch 1 of the topic 'films' is gone.*snapshot"):
        await world.watch.look()


async def test_a_cluster_that_does_not_answer_is_asked_again(world):
    await world.origins.open()
    looks = []

    async def look():
        looks.append(1)
        raise [KafkaUnavailable("no"), ElasticUnavailable("no"), StateError("enough")][len(looks) - 1]

    world.watch.look = look
    with pytest.raises(StateError, match="enough"):
        await world.watch.run(10)


async def test_topics_of_ours_need_no_epoch(world):
    await world.origins.open()
    films, redrive, backlog = [await world.origins.find(name) for name in ("films", *PARCELS)]
    assert isinstance(films.decoder, Decoder)
    assert [one.route for one in (redrive, backlog)] == [REDRIVE, BACKLOG]
    assert [one.topic_id for one in (redrive, backlog)] == ["id-of-streamer-redrive", "id-of-streamer-backlog"]
    assert all(isinstance(one.decoder, ParcelDecoder) for one in (redrive, backlog))
    assert [name for name in world.elastic.resources if "epoch" in name] == ["state/_doc/epoch%3Acluster%3Afilms%3A1"]
    # More partitions of one are no trouble either.
    world.admin.found["streamer-redrive"] = Topic("streamer-redrive", "id-of-streamer-redrive", 3)
    await world.watch.look()
    assert (await world.origins.of(Partition("streamer-redrive", 2))).route == REDRIVE


async def test_a_pattern_does_not_take_ours():
    world = World(topics=("^.*",))
    assert (await world.origins.find("streamer-redrive")).route == REDRIVE


@pytest.mark.parametrize("missing", PARCELS)
async def test_a_topic_of_ours_that_is_missing_is_told_before_anything_is_taken(world, missing):
    del world.admin.found[missing]
    with pytest.raises(SetupError, match=f"{missing}.*run `streamer setup`"):
        await world.origins.open()
