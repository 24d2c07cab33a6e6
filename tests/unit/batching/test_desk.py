"""What the desk does with Kafka's events."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from streamer.batching.batcher import Room
from streamer.batching.books import Books
from streamer.batching.desk import Desk
from streamer.batching.lease import Origin
from streamer.errors import KafkaError, KafkaUnavailable, LedgerError
from streamer.intake import remembered
from streamer.intake.decode import Decoder
from streamer.intake.flow import Bounds
from streamer.intake.formats import Json
from streamer.intake.remembered import Memory
from streamer.intake.timeline import Timeline
from streamer.kafka.admin import Committed
from streamer.kafka.source import BEGINNING, Commit
from streamer.metrics import STREAMER_METRICS, Meter
from streamer.model import REDRIVE, Partition, Result
from streamer.runtime import Runtime
from streamer.settings import FlowSettings
from tests.fakes.clock import LoopClock, in_virtual_time, settle
from tests.unit.builders import LANE, P0, P1, ROUTE, record

FLOW = FlowSettings(drain_timeout_s=5.0, commit_interval_ms=1_000)


class Office:
    """A desk, its books, and whom it tells."""

    def __init__(self, tasks, records=10):
        self.clock = LoopClock()
        self.runtime = Runtime(self.clock, Meter(STREAMER_METRICS), tasks)
        self.books = Books(Bounds(records, 1_000_000), self.clock, self.runtime.bell.ring)
        self.decoder = Decoder(ROUTE, Json())
        self.buried = []
        self.timeline = Timeline(dict.fromkeys(range(2), ((0, 3),)))
        self.routes = {}
        self.absent, self.topic_ids, self.asked, self.first = set(), {}, [], 0
        self.told = {None}
        """Topic ids of which it was said already that they are another topic's; None stands for no other."""
        self.desk = Desk(self.books, self.runtime, FLOW, self, self.bury)

    async def of(self, partition):
        if partition in self.absent:
            return None
        topic_id = self.topic_ids.get(partition.topic, f"id-of-{partition.topic}")
        return Origin(self.routes.get(partition.topic, "films"), self.decoder, topic_id, self.timeline)

    async def is_another(self, topic):
        self.asked.append(topic)
        return self.topic_ids.get(topic) not in self.told

    async def first_offset(self, partition):
        self.asked.append(partition)
        return self.first

    async def bury(self, rejected, lease):
        self.buried.append((rejected, lease))
        self.books.rejected(rejected.record, lease.origin.route, lease.generation)

    def form(self, count=100):
        return self.books.form(LANE, Room(count, 1_000_000))

    async def step(self, *offsets, partition=P0):
        return await self.desk.step(
            [record(n, key=b"%d:%d" % (partition.number, n), partition=partition) for n in offsets]
        )

    def finish(self, *writes):
        for one in writes:
            self.books.succeeded([one], Result.INDEXED)


@asynccontextmanager
async def office(*partitions, committed=None, **fields):
    async with asyncio.TaskGroup() as tasks:
        made = Office(tasks, **fields)
        await made.desk.assigned(partitions, committed or {})
        yield made
        made.runtime.end()


@in_virtual_time
async def test_what_is_done_is_committed_once_an_interval_and_only_when_it_moved():
    async with office(P0, P1) as world:
        # Nothing before offset 5 is undone: that much is known.
        assert [(one.partition, one.offset) for one in (await world.step(5, 6)).commits] == [(P0, 5)]
        first, second = world.form()
        world.finish(second)
        await asyncio.sleep(1.0)
        # The offset stays; what is done above it is remembered beside it.
        assert [(one.partition, one.offset) for one in (await world.step()).commits] == [(P0, 5)]
        world.finish(first)
        assert (await world.step()).commits == ()
        await asyncio.sleep(1.0)
        (commit,) = (await world.step()).commits
        assert (commit.partition, commit.offset) == (P0, 7)
        await asyncio.sleep(1.0)
        assert (await world.step()).commits == ()


@in_virtual_time
async def test_a_commit_carries_the_topics_incarnation():
    async with office(P0) as world:
        await world.step(0)
        world.finish(*world.form())
        await asyncio.sleep(1.0)
        (commit,) = (await world.step()).commits
        assert json.loads(commit.metadata) == {"v": 1, "topic_id": "id-of-films", "epoch": 3, "done": ""}


@in_virtual_time
async def test_a_restart_takes_only_the_gaps_again():
    async with office(P0) as world:
        await world.step(*range(3, 9))
        writes = world.form()
        world.finish(writes[0], writes[2], writes[3], writes[5])
        (commit,) = await world.desk.revoked([P0])
        assert commit.offset == 4
    async with office(P0, committed={P0: Committed(commit.offset, commit.metadata)}) as world:
        await world.step(*range(4, 10))
        assert [one.record.offset for one in world.form()] == [4, 7, 9]
        assert world.books.accounts.totals() == {Result.REPEATED: 3}
        assert world.books.accounts.worst() == 0


@in_virtual_time
async def test_a_commit_of_another_incarnation_counts_for_nothing():
    old = remembered.write(Memory("another", 1, remembered.write_ranges(4, [(6, 9)])))
    async with office(P1, committed={P1: Committed(4, old)}) as world:
        assert await world.desk.assigned([P0], {P0: Committed(4, old)}) == {P0: BEGINNING}
        await world.step(6, 7)
        assert len(world.form()) == 2


@in_virtual_time
async def test_a_topic_that_comes_back_may_be_another():
    """The brokers may take its partitions away and give them again before anybody has looked at its id."""
    async with office(P0) as world:
        await world.desk.revoked([P0])
        world.topic_ids["films"] = "another"
        await world.desk.assigned([P0], {})
        assert world.asked == ["films"]
        assert world.desk.leases[P0].origin.topic_id == "another"
        assert (await world.step()).renew == {"films"}


@in_virtual_time
async def test_who_cannot_tell_goes_on():
    async with office(P0) as world:
        await world.desk.revoked([P0])
        world.is_another = _unreachable
        await world.desk.assigned([P0], {})
        assert (await world.step()).renew == frozenset()


async def _unreachable(topic):
    raise KafkaUnavailable("no broker answered")


@in_virtual_time
async def test_a_commit_that_somebody_else_made_is_where_to_begin():
    async with office(P0) as world:
        assert await world.desk.assigned([P1], {P1: Committed(4, "by hand")}) == {}


@in_virtual_time
async def test_a_partition_with_many_gaps_is_paused_until_they_close():
    async with office(P0, P1, records=100_000) as world:
        await world.step(*range(4_000))
        writes = world.form(4_000)
        world.finish(*writes[1::2])
        await asyncio.sleep(1.0)
        directive = await world.step()
        assert directive.paused == {P0}
        assert all(len(commit.metadata.encode()) <= 4_096 for commit in directive.commits)
        world.finish(*writes[::2])
        await asyncio.sleep(1.0)
        await world.step()
        assert (await world.step()).paused == frozenset()


@in_virtual_time
async def test_a_refused_commit_is_tried_again():
    async with office(P0) as world:
        await world.step(0)
        world.finish(*world.form())
        await asyncio.sleep(1.0)
        commits = (await world.step()).commits
        await world.desk.committed(commits, "coordinator moved")
        await asyncio.sleep(1.0)
        assert (await world.step()).commits == commits
        await world.desk.committed(commits, None)
        await asyncio.sleep(1.0)
        assert (await world.step()).commits == ()


@in_virtual_time
async def test_a_full_partition_is_paused_and_comes_back():
    async with office(P0, P1, records=8) as world:
        assert (await world.step(0, 1, 2)).paused == frozenset()
        assert (await world.step(3)).paused == {P0}
        writes = world.form()
        world.finish(writes[0])
        assert (await world.step()).paused == {P0}
        world.finish(*writes[1:3])
        assert (await world.step()).paused == frozenset()


@in_virtual_time
async def test_records_of_a_partition_that_was_given_up_are_ignored():
    async with office(P0, P1) as world:
        await world.step(0, partition=P1)
        await world.desk.lost([P1])
        await world.step(1, 2, partition=P1)
        await world.step(0, partition=Partition("other", 0))
        assert world.books.accounts.consumed.total() == 1
        assert world.books.accounts.worst() == 0


@in_virtual_time
async def test_a_revoke_waits_for_what_is_in_flight_and_commits_it():
    async with office(P0, P1) as world:
        await world.step(0, 1, 2)
        await world.step(0, partition=P1)
        first, second = world.form(2)
        parted = []
        world.desk.parting = lambda: parted.append(set(world.desk.leases))
        revoked = asyncio.create_task(world.desk.revoked([P0]))
        await asyncio.sleep(1.0)
        assert world.desk.draining
        assert not revoked.done()
        world.finish(first, second)
        commits = await revoked
        # What waited is for the next owner.
        assert [(one.partition, one.offset) for one in commits] == [(P0, 2)]
        assert parted == [{P0, P1}, {P1}]
        assert set(world.desk.leases) == {P1}
        assert not world.desk.draining
        assert world.books.accounts.worst() == 0
        assert world.books.accounts.totals() == {Result.INDEXED: 2, Result.HANDED_OVER: 1}


@in_virtual_time
async def test_a_drain_has_a_deadline_and_never_commits_the_undone():
    async with office(P0) as world:
        await world.step(0, 1, 2)
        first, second, third = world.form()
        world.finish(first, third)
        began = world.clock.monotonic()
        commits = await world.desk.revoked([P0])
        assert world.clock.monotonic() - began == pytest.approx(5.0)
        assert [one.offset for one in commits] == [1]
        # It ends after all, for nobody.
        world.finish(second)
        assert world.books.accounts.totals() == {Result.INDEXED: 2, Result.HANDED_OVER: 1}
        assert world.books.accounts.worst() == 0


@in_virtual_time
async def test_what_is_lost_is_not_committed():
    async with office(P0, P1) as world:
        await world.step(0)
        await world.step(0, partition=P1)
        world.finish(*world.form())
        await world.desk.lost([P0])
        await asyncio.sleep(1.0)
        assert [one.partition for one in (await world.step()).commits] == [P1]
        assert world.desk.positions() == {P1: 1}


@in_virtual_time
async def test_a_partition_that_comes_back_is_a_new_generation():
    async with office(P0) as world:
        await world.step(0)
        (old,) = world.form()
        await world.desk.lost([P0])
        await world.desk.assigned([P0], {})
        assert world.desk.leases[P0].generation > old.generation
        await world.step(0)
        assert world.form() == []
        world.finish(old)
        assert world.desk.positions() == {P0: 0}
        world.finish(*world.form())
        assert world.desk.positions() == {P0: 1}
        assert world.books.accounts.worst() == 0


@in_virtual_time
async def test_what_cannot_be_decoded_is_buried_before_its_offset_moves():
    async with office(P0) as world:
        await world.desk.step([record(0, b"no json")])
        assert world.desk.positions() == {P0: 0}
        await settle()
        ((rejected, lease),) = world.buried
        assert (rejected.reason, lease.origin.topic_id) == ("unreadable", "id-of-films")
        assert world.desk.positions() == {P0: 1}


@in_virtual_time
async def test_bytes_rebalances_and_commits_are_counted():
    async with office(P0) as world:
        await world.desk.step([record(0, b'{"text":"a"}', b"kk")])
        await world.desk.committed([Commit(P0, 1)], None)
        await world.desk.committed([Commit(P0, 1)], "no")
        await world.desk.lost([P0])
        text = world.runtime.meter.exposition().decode()
        for line in (
            "streamer_consumed_bytes_total 14.0",
            'streamer_commits_total{result="ok"} 1.0',
            'streamer_commits_total{result="failed"} 1.0',
            'streamer_rebalances_total{event="assigned"} 1.0',
            'streamer_rebalances_total{event="lost"} 1.0',
        ):
            assert line in text


@in_virtual_time
async def test_each_record_has_the_epoch_of_its_place():
    async with office(P0, P1) as world:
        await world.desk.lost([P0])
        world.timeline = Timeline({0: ((0, 3), (7, 4)), 1: ((0, 3),)})
        await world.desk.assigned([P0], {})
        await world.step(6, 7)
        await world.step(7, partition=P1)
        assert [(one.partition, one.record.offset, one.epoch) for one in world.form()] == [
            (P0, 6, 3),
            (P0, 7, 4),
            (P1, 7, 3),
        ]


@in_virtual_time
async def test_a_topic_that_was_made_again_is_given_up_without_a_commit():
    async with office(P0, P1) as world:
        await world.step(0)
        world.finish(*world.form())
        await asyncio.sleep(1.0)
        world.desk.renew(["films"])
        directive = await world.step(1)
        assert (directive.renew, directive.commits) == ({"films"}, ())
        assert world.books.accounts.consumed.total() == 1
        # What the poll thread does then; the other incarnation begins at its first record.
        await world.desk.lost([P0, P1])
        world.topic_ids["films"] = "another"
        world.told.add("another")
        memory = remembered.write(Memory("id-of-films", 3))
        assert await world.desk.assigned([P0], {P0: Committed(1, memory)}) == {P0: BEGINNING}
        await asyncio.sleep(1.0)
        directive = await world.step(0)
        assert (directive.renew, [one.offset for one in directive.commits]) == (frozenset(), [0])
        assert json.loads(directive.commits[0].metadata)["topic_id"] == "another"


@in_virtual_time
async def test_a_topic_that_was_made_again_while_nothing_of_it_was_ours_needs_a_new_consumer_too():
    async with office(P0) as world:
        await world.desk.revoked([P0])
        world.desk.renew(["films"])
        assert (await world.step()).renew == {"films"}


@in_virtual_time
async def test_offsets_that_begin_anew_are_a_topic_made_again():
    async with office(P0) as world:
        await world.step(5, 6)
        world.topic_ids["films"] = "another"
        directive = await world.step(0, 1)
        assert (directive.renew, world.asked) == ({"films"}, ["films"])
        assert world.books.accounts.consumed.total() == 2


@in_virtual_time
async def test_offsets_that_begin_anew_in_the_same_topic_are_an_error():
    async with office(P0) as world:
        await world.step(5, 6)
        with pytest.raises(LedgerError, match="offset 6 was delivered after offset 6"):
            await world.step(6)
        assert world.asked == ["films"]


@in_virtual_time
async def test_a_partition_that_does_not_exist_is_waited_for():
    async with office() as world:
        world.absent = {P0}
        assert await world.desk.assigned([P0, P1], {}) == {}
        await world.step(0)
        assert (set(world.desk.leases), world.books.accounts.consumed.total()) == ({P1}, 0)
        # It is back, and the watch says so.
        world.absent = set()
        world.desk.renew(["films"])
        assert (await world.step()).renew == {"films"}
        await world.desk.lost([P0, P1])
        await world.desk.assigned([P0, P1], {})
        await world.step(0)
        assert world.books.accounts.consumed.total() == 1


@in_virtual_time
async def test_where_to_begin_without_a_commit_is_a_setting_but_for_our_own_topics():
    async with office() as world:
        own = Partition("streamer-redrive", 0)
        world.routes = {own.topic: REDRIVE}
        assert await world.desk.assigned([P0, own], {}) == {own: BEGINNING}
        await world.desk.lost([own])
        committed = {own: Committed(5, remembered.write(Memory("id-of-streamer-redrive", 3)))}
        assert await world.desk.assigned([own], committed) == {}


@in_virtual_time
async def test_what_retention_took_is_counted_and_a_compacted_gap_is_not():
    async with office() as world:
        memory = remembered.write(Memory("id-of-films", 3))
        world.first = 8
        await world.desk.assigned([P0, P1], {P0: Committed(3, memory), P1: Committed(9, memory)})
        await world.step(10)
        await world.step(20, partition=P1)
        # It goes on: a gap that is asked about once an interval.
        world.first = 15
        await world.step(18)
        await asyncio.sleep(FLOW.topic_check_interval_s)
        world.first = 30
        await world.step(25)
        text = world.runtime.meter.exposition().decode()
        assert 'streamer_skipped_records_total{partition="0",topic="films"} 11.0' in text
        assert 'streamer_skipped_records_total{partition="1"' not in text
        assert world.asked == [P0, P1, P0]


@in_virtual_time
async def test_an_answer_that_does_not_come_skips_the_count_only():
    async with office() as world:

        async def nobody(_):
            raise KafkaError("no leader")

        world.first_offset = nobody
        await world.desk.assigned([P0], {P0: Committed(3, remembered.write(Memory("id-of-films", 3)))})
        await world.step(10)
        assert world.books.accounts.consumed.total() == 1
