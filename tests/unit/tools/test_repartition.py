"""The command that goes on with a topic that has got partitions, step by step."""

import pytest

import schemas
from streamer.errors import GroupNotEmpty, InputError, StateError
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Topic
from streamer.model import Partition
from streamer.settings import Settings
from streamer.setup.epochs import timeline_of
from streamer.setup.state import EpochList
from streamer.tools.repartition import Repartition
from tests.fakes.admin import FakeAdmin
from tests.fakes.clock import NOW_MS, HandClock
from tests.fakes.resources import FakeResources
from tests.unit.builders import P0, P1

SMALL, GROWN = Topic("films", "a", 2), Topic("films", "a", 4)
MEMBER = {"member": "m", "client": "streamer", "host": "/h", "partitions": []}


class World:
    def __init__(self):
        self.elastic = FakeResources()
        self.elastic.resources["state-000001"] = schemas.body("state") | {"aliases": {"state": {}}}
        self.clock = HandClock()
        self.admin = FakeAdmin({"films": GROWN}, ends={P0: 10, P1: 20})
        self.epochs = EpochList(self.elastic, "state", "cluster", self.clock)
        self.said, self.drained = [], []
        self.whole = True

    async def drain(self, settings, ends):
        self.drained.append(dict(ends))
        return self.whole

    async def do(self, seconds=0.0):
        command = Repartition(Settings(), self.admin, self.epochs, self.clock, self.said.append)
        return await command.do("films", seconds, self.drain)

    async def timeline(self):
        return timeline_of(await self.epochs.known("films"), "a")


@pytest.fixture
async def world():
    made = World()
    await made.epochs.timeline_of(SMALL, {0: 0, 1: 5}, "films")
    return made


async def test_the_old_are_drained_and_go_on_and_the_new_begin_above(world):
    report = await world.do()
    assert world.drained == [{P0: 10, P1: 20}]
    assert await world.timeline() == Timeline({0: ((0, 1), (10, 2)), 1: ((5, 1), (20, 2)), 2: ((0, 3),), 3: ((0, 3),)})
    assert (report.partitions, report.epoch, report.boundary) == (4, 3, {0: 10, 1: 20})
    assert "drained up to (0: 10, 1: 20) and go on in epoch 2, 2 new ones begin in epoch 3" in str(report)
    again = await world.do()
    assert ("nothing to do" in str(again), again.epoch, len(world.drained)) == (True, 3, 1)


async def test_the_line_is_where_the_last_producer_learned_of_it(world):
    """Not where the growth was seen, and not where the command is run: 1: nobody wrote since, 0: many did."""
    await world.epochs.note_growth(GROWN, {0: 10, 1: 20})
    world.clock.now = 100.0
    world.admin.ends, world.admin.at = {P0: 900, P1: 20}, {P0: 55}
    await world.do(300.0)
    assert world.clock.now == pytest.approx(300.0)
    assert world.said[0].startswith("waiting 200 s")
    assert world.admin.moments == [NOW_MS + 300_000]
    assert world.drained == [{P0: 55, P1: 20}]


async def test_timestamps_never_put_the_line_before_what_was_there(world):
    world.admin.at = {P0: 2, P1: 21}
    await world.do()
    assert world.drained == [{P0: 10, P1: 21}]


@pytest.mark.parametrize("kept", ["growth", "boundary", "epoch:cluster:films:2"])
async def test_it_can_be_run_again_after_any_step(world, kept):
    """Whatever was written last before a kill: the line stays where it was first drawn."""
    create = world.elastic._create

    class Killed(Exception):
        pass

    def create_and_die(index, document_id, body, *rest):
        create(index, document_id, body, *rest)
        if document_id.startswith(kept.replace(":", "%3A")):
            raise Killed

    world.elastic._create = create_and_die
    with pytest.raises(Killed):
        await world.do()
    world.elastic._create = create
    first = 10 if kept != "growth" else 11
    world.admin.ends = {P0: 11, P1: 20}
    report = await world.do()
    assert report.boundary == {0: first, 1: 20}
    assert (await world.timeline()).marks[0] == ((0, 1), (first, 2))
    assert (await world.timeline()).marks[3] == ((0, 3),)


async def test_what_was_not_drained_to_its_end_opens_nothing(world):
    world.whole = False
    with pytest.raises(StateError, match="run `streamer repartition films` again"):
        await world.do()
    assert (await world.timeline()).newest == 1


async def test_a_group_with_members_is_refused(world):
    world.admin.group = [MEMBER]
    with pytest.raises(GroupNotEmpty, match=r"has 1 members \(streamer on /h\)"):
        await world.do()
    assert world.drained == []


async def test_a_member_that_comes_while_it_waits_is_refused(world):
    async def sleep(_):
        world.admin.group = [MEMBER]

    world.clock.sleep = sleep
    with pytest.raises(GroupNotEmpty):
        await world.do(300.0)
    assert world.drained == []


async def test_what_is_not_there_or_was_never_taken_is_refused():
    world = World()
    with pytest.raises(InputError, match="`streamer run` begins with it"):
        await world.do()
    world.admin.found = {}
    with pytest.raises(InputError, match="no topic 'films'"):
        await world.do()


async def test_a_second_growth_is_another_line(world):
    await world.do()
    world.admin.found = {"films": Topic("films", "a", 8)}
    world.admin.ends = {Partition("films", number): 100 for number in range(4)}
    await world.do()
    timeline = await world.timeline()
    assert timeline.marks[0] == ((0, 1), (10, 2), (100, 4))
    assert timeline.marks[3] == ((0, 3), (100, 4))
    assert timeline.marks[7] == ((0, 5),)
