"""Searches that wait: for what, how long, at what cost, and what they are told when it does not come."""

import asyncio

import pytest

from search_api.errors import FreshnessUnavailable, InvalidRequest, NotFreshInTime, Overloaded, PositionGone
from search_api.freshness.index import Facts
from search_api.freshness.marks import Otherwise
from search_api.freshness.model import Freshness, FreshnessWish
from streamer.errors import ElasticRefused, ElasticUnavailable
from tests.fakes.clock import in_virtual_time
from tests.unit.search_api.freshness.fakes import P0, states, world


@in_virtual_time
async def test_a_search_waits_until_its_position_is_indexed_and_refreshed():
    async with world() as it:
        position = it.append()
        it.later(0.7, it.tell)
        began = it.clock.monotonic()
        note = await it.ask(min_position=[position])
        assert states(note) == ["searchable"]
        assert not note.stale
        assert 0.7 < it.clock.monotonic() - began < 0.8
        assert len(it.index.refreshes) == 1
        assert it.index.refreshes[0] >= began + 0.7


@in_virtual_time
async def test_all_who_wait_share_refreshes_at_most_one_a_second():
    async with world() as it:
        asked = []
        for _ in range(40):
            asked.append(asyncio.create_task(it.ask(min_position=[it.append()])))
            await asyncio.sleep(0.1)
            it.tell()
        notes = await asyncio.gather(*asked)
        assert {states(note)[0] for note in notes} == {"searchable"}
        gaps = [b - a for a, b in zip(it.index.refreshes, it.index.refreshes[1:], strict=False)]
        assert len(it.index.refreshes) in {4, 5, 6}
        assert min(gaps) >= 0.999


@in_virtual_time
async def test_what_is_searchable_already_costs_no_refresh():
    async with world() as it:
        position = it.append()
        it.tell()
        await it.ask(min_position=[position])
        await it.ask(min_position=[position])
        assert len(it.index.refreshes) == 1


@in_virtual_time
async def test_a_refresh_that_began_before_a_position_was_indexed_does_not_count():
    async with world() as it:
        first = it.append()
        it.tell()
        second = asyncio.create_task(it.ask(min_position=[first]))
        await asyncio.sleep(0.01)
        assert len(it.index.refreshes) == 1
        position = it.append()
        it.tell()
        note = await it.ask(min_position=[position])
        assert (states(note), len(it.index.refreshes)) == (["searchable"], 2)
        await second


@in_virtual_time
async def test_a_wait_ends_with_a_problem_or_with_a_stale_answer():
    async with world() as it:
        position = it.append()
        began = it.clock.monotonic()
        with pytest.raises(NotFreshInTime, match=rf"within 2 s .*{position} is pending.*accept_stale"):
            await it.ask(min_position=[position], wait_ms=2_000)
        note = await it.ask(min_position=[position], wait_ms=2_000, accept_stale=True)
        assert it.clock.monotonic() - began == pytest.approx(4.0, abs=0.1)
        assert (note.stale, states(note)) == (True, ["pending"])
        assert note.told(note.at)["stale"]
        note = await it.ask(min_position=[position], wait_ms=0, accept_stale=True)
        assert note.stale


@in_virtual_time
async def test_an_index_that_may_not_be_refreshed_is_told():
    async with world() as it:
        position = it.append()
        it.tell()
        it.index.failure = ElasticRefused(403, "security_exception", "action [refresh] is unauthorized")
        with pytest.raises(FreshnessUnavailable, match="maintenance"):
            await it.ask(min_position=[position])
        it.index.failure = None
        assert states(await it.ask(min_position=[position])) == ["searchable"]


@in_virtual_time
async def test_a_refresh_that_failed_is_tried_again():
    async with world() as it:
        position = it.append()
        it.tell()
        it.index.failure = ElasticUnavailable()
        it.later(1.5, lambda: setattr(it.index, "failure", None))
        asked = asyncio.create_task(it.ask(min_position=[position]))
        await asyncio.sleep(0.5)
        it.append()
        it.tell()
        assert states(await asked) == ["searchable"]
        assert len(it.index.refreshes) == 3


@in_virtual_time
async def test_by_interval_nothing_is_refreshed_and_time_has_to_pass():
    async with world(searchable_by="interval", margin_s=0.5) as it:
        it.index.answer = Facts(0, 2.0)
        await it.ask()
        position = it.append()
        it.later(0.2, it.tell)
        began = it.clock.monotonic()
        note = await it.ask(min_position=[position])
        assert (states(note), it.index.refreshes) == (["searchable"], [])
        assert it.clock.monotonic() - began == pytest.approx(0.2 + 2.5, abs=0.35)
        it.index.answer = Facts(0, float("inf"))
        await asyncio.sleep(1.1)
        position = it.append()
        it.tell()
        assert (await it.ask(min_position=[position], accept_stale=True)).stale


@in_virtual_time
async def test_an_age_that_is_asked_for_is_waited_for():
    async with world() as it:
        it.append(5)
        await asyncio.sleep(2.0)
        it.later(1.0, it.tell)
        note = await it.ask(max_age=1.5)
        assert not note.stale
        assert note.age <= 1.5
        assert (note.basis, note.claims[0].lag) == ("refreshed", 0)
        it.append()
        await asyncio.sleep(3.0)
        with pytest.raises(NotFreshInTime, match="age"):
            await it.ask(max_age=1.5)
        note = await it.ask(max_age=1.5, accept_stale=True)
        assert note.stale
        assert note.age > 3.0


@in_virtual_time
async def test_a_position_that_no_record_has_is_a_problem_at_once():
    async with world() as it:
        it.append(3)
        began = it.clock.monotonic()
        with pytest.raises(InvalidRequest, match="films-0@3: the partition ends at 3"):
            await it.ask(min_position=["films-0@3"])
        with pytest.raises(InvalidRequest, match="films-7@0: there is no such partition"):
            await it.ask(min_position=["films-7@0"])
        assert it.clock.monotonic() - began < 0.5
        with pytest.raises(InvalidRequest, match="not filled from there"):
            await it.ask(min_position=["another-0@3"])


@in_virtual_time
async def test_a_position_is_believed_before_the_log_was_looked_at():
    async with world() as it:
        await asyncio.sleep(0.3)
        position = it.append()
        samples = it.kafka.samples
        it.later(0.5, it.tell)
        assert states(await it.ask(min_position=[position])) == ["searchable"]
        assert it.kafka.samples > samples


@in_virtual_time
async def test_while_kafka_is_down_a_position_waits_and_what_was_known_is_still_known():
    async with world() as it:
        known = it.append()
        it.tell()
        await it.ask(min_position=[known])
        it.kafka.down = True
        await asyncio.sleep(5.0)
        assert not (await it.ask(min_position=[known])).stale
        note = await it.ask()
        assert note.age >= 4.0
        with pytest.raises(NotFreshInTime, match="beyond"):
            await it.ask(min_position=[it.append()], wait_ms=1_000)


@in_virtual_time
async def test_a_topic_that_is_made_again_during_the_wait_ends_it():
    async with world() as it:
        position = it.append(3)
        asked = asyncio.create_task(it.ask(min_position=[position]))
        await asyncio.sleep(0.5)
        it.kafka.topic_id, it.kafka.high = "B", 10
        it.tell()
        with pytest.raises(PositionGone, match=rf"{position}: the topic was deleted or made again"):
            await asked
        with pytest.raises(PositionGone):
            await it.ask(min_position=[f"{P0}@1:{'A' * 22}"])


@in_virtual_time
async def test_an_index_that_is_replaced_during_the_wait_is_waited_for():
    async with world() as it:
        position = it.append(3)
        asked = asyncio.create_task(it.ask(min_position=[position], wait_ms=10_000, accept_stale=True))
        await asyncio.sleep(1.0)
        it.index.answer = Facts(it.clock.now_ms() + 2_000, 1.0)
        await asyncio.sleep(0.5)
        it.tell()
        assert (await asked).stale


@in_virtual_time
async def test_how_positions_ended_is_told_apart():
    async with world() as it:
        it.append(4)
        it.tell(otherwise=Otherwise(0, ((1, 1, "dead_lettered"), (2, 2, "superseded"))))
        note = await it.ask(min_position=[f"{P0}@{offset}" for offset in (0, 1, 2)])
        assert states(note) == ["searchable", "dead_lettered", "superseded"]


@in_virtual_time
async def test_so_many_may_wait():
    async with world(waiting=2) as it:
        position = it.append()
        asked = [asyncio.create_task(it.ask(min_position=[position])) for _ in range(2)]
        await asyncio.sleep(0.1)
        with pytest.raises(Overloaded, match="2 searches wait"):
            await it.ask(min_position=[position])
        assert (await it.ask()) is not None
        it.tell()
        await asyncio.gather(*asked)
        assert states(await it.ask(min_position=[position])) == ["searchable"]


@in_virtual_time
async def test_what_a_wish_may_ask_for_is_bounded():
    async with world(positions=2, longest_wait_ms=1_000) as it:
        with pytest.raises(InvalidRequest, match=r"at most 2 positions; wait_ms must be at most 1000"):
            await it.ask(min_position=[it.append() for _ in range(3)], wait_ms=2_000)


@in_virtual_time
async def test_a_search_that_asks_for_nothing_never_waits_and_is_told_what_is_expected():
    async with world() as it:
        it.append(4)
        it.tell(2)
        await it.ask()
        await asyncio.sleep(2.5)
        began = it.clock.monotonic()
        note = await it.ask()
        assert it.clock.monotonic() - began < 0.01
        told = Freshness.model_validate(note.told(note.at))
        assert (told.stale, told.searchable) == (False, "expected")
        (partition,) = told.partitions
        assert (partition.offset, partition.end, partition.lag) == (2, 4, 2)
        assert it.index.refreshes == []


@in_virtual_time
async def test_an_index_without_topics_or_facts_says_nothing():
    async with world() as it:
        it.append()
        assert await it.service.before("silent", FreshnessWish()) is None
        with pytest.raises(InvalidRequest, match="not known here"):
            await it.service.before("silent", FreshnessWish(max_age=1.0))
        it.index.answer = ElasticUnavailable()
        assert await it.ask() is None


@in_virtual_time
async def test_what_is_no_event_is_passed_over():
    async with world() as it:
        position = it.append()
        it.kafka.take([b"no json", b'{"v":2}'])
        it.tell()
        assert states(await it.ask(min_position=[position])) == ["searchable"]


@in_virtual_time
async def test_waits_and_ages_are_measured():
    async with world() as it:
        position = it.append()
        it.later(0.7, it.tell)
        await it.ask(min_position=[position])
        await it.ask(min_position=[it.append()], wait_ms=0, accept_stale=True)
        text = it.meter.exposition().decode()
        for result in ("fresh", "stale"):
            assert f'search_api_freshness_wait_seconds_count{{index="films",result="{result}"}} 1.0' in text
        assert 'search_api_index_age_seconds{index="films"}' in text
        assert "search_api_waiting_searches 0.0" in text


@in_virtual_time
async def test_a_search_is_not_late_because_the_index_does_not_say_what_it_is():
    async with world() as it:
        position = it.append()
        it.tell()
        await it.ask(min_position=[position])
        it.index.slow_s = 60.0
        await asyncio.sleep(2.0)
        began = it.clock.monotonic()
        assert await it.ask() is None
        assert it.clock.monotonic() - began < 0.6
        note = await it.ask(min_position=[position], wait_ms=3_000, accept_stale=True)
        assert (note.stale, note.age) == (True, None)
