"""Bulks are formed when there is room, as large as the room, and nothing waits for ever."""

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.delivery.dispatcher import Bounds, bounds_of
from streamer.model import PLAIN
from streamer.settings import FlowSettings
from tests.fakes.clock import in_virtual_time
from tests.fakes.elastic import NOT_DEPLOYED, QUEUE_FULL
from tests.unit.builders import LANE, deletion
from tests.unit.delivery.stage import stage

BOUNDS = Bounds(inference_units=64, plain_units=500, bulk_bytes=5_000, linger_s=0.01)


def body(size):
    return b'{"x":"' + b"x" * max(0, size - 8) + b'"}'


def names(count):
    return [f"d{n:03}" for n in range(count)]


def test_bounds_are_in_bytes_and_seconds():
    found = bounds_of(FlowSettings(bulk_max_kbytes=3, max_mbytes_in_flight=2, linger_ms=250))
    assert (found.bulk_bytes, found.linger_s) == (3_000, 0.25)


@in_virtual_time
async def test_bulks_are_of_the_size_for_the_window_and_never_above_it():
    async with stage(window=64) as world:
        world.take(*names(200))
        world.dispatch(BOUNDS)
        await asyncio.sleep(0.05)
        assert [len(items) for items in world.elastic.sent] == [4] * 16
        assert (world.gate.used, world.gate.room) == (64, 0)
        await asyncio.sleep(5.0)
        assert [name for items in world.elastic.sent for name in items] == names(200)
        world.check_all_is_done()


@in_virtual_time
async def test_linger_begins_with_the_first_document_and_ends_when_the_bulk_is_full():
    async with stage(window=32) as world:
        world.dispatch(BOUNDS)
        await asyncio.sleep(1.0)
        began = world.clock.monotonic()
        world.take("a")
        world.runtime.bell.ring()
        await asyncio.sleep(0.006)
        world.take("b")
        world.runtime.bell.ring()
        await asyncio.sleep(1.0)
        world.take(*names(4))
        world.runtime.bell.ring()
        await asyncio.sleep(1.0)
        assert [len(items) for items in world.elastic.sent] == [2, 4]
        times = [request.at - began for request in world.elastic.requests]
        assert times == pytest.approx([0.01, 1.006])


@in_virtual_time
async def test_bytes_in_a_bulk_and_in_flight_are_bounded():
    async with stage(window=512, window_bytes=20_000) as world:
        world.take(*names(40), body=body(1_000))
        world.dispatch(BOUNDS)
        await asyncio.sleep(0.05)
        assert [len(items) for items in world.elastic.sent] == [5, 5, 5, 5]
        await asyncio.sleep(5.0)
        world.check_all_is_done()


@in_virtual_time
async def test_a_document_larger_than_any_bound_goes_alone():
    async with stage() as world:
        world.take("a")
        world.take("b", body=body(50_000))
        world.take("c")
        world.dispatch(BOUNDS)
        await asyncio.sleep(5.0)
        assert ["b"] in world.elastic.sent
        world.check_all_is_done()


@in_virtual_time
async def test_more_inputs_than_the_window_go_all_the_same():
    async with stage(window=1) as world:
        world.take("a", "b", inputs=5)
        world.dispatch(BOUNDS)
        await asyncio.sleep(5.0)
        assert world.elastic.sent == [["a"], ["b"]]
        world.check_all_is_done()


@in_virtual_time
async def test_a_hold_lets_one_document_out_to_probe():
    async with stage() as world:
        world.elastic.fails = lambda _: NOT_DEPLOYED
        world.gate.close("not_deployed")
        world.take(*names(20))
        world.dispatch(BOUNDS)
        await asyncio.sleep(4.0)
        assert (world.gate.used, world.books.waiting(LANE)) == (1, 19)
        assert {tuple(items) for items in world.elastic.sent} == {("d000",)}
        world.elastic.fails = lambda _: None
        await asyncio.sleep(10.0)
        world.check_all_is_done()


@in_virtual_time
async def test_a_hold_of_the_deployment_does_not_hold_deletions():
    async with stage() as world:
        world.elastic.fails = lambda name: NOT_DEPLOYED if name.startswith("d0") else None
        world.take(*names(30))
        world.take("gone1", "gone2", make=deletion)
        world.dispatch(BOUNDS)
        await asyncio.sleep(2.0)
        assert world.results() == {"deleted": 2}
        assert world.gates[PLAIN].hold is None


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 5), st.integers(0, 6_000)), min_size=1, max_size=30),
    st.integers(1, 40),
    st.integers(0, 4),
)
def test_whatever_comes_goes(records, window, refusals):
    @in_virtual_time
    async def flow():
        left = [QUEUE_FULL] * refusals
        async with stage(window=window) as world:
            world.elastic.fails = lambda _: left.pop() if left else None
            world.dispatch(msgspec.structs.replace(BOUNDS, linger_s=0.001))
            for name, inputs, size in records:
                world.take(name, inputs=inputs, body=body(size))
                world.runtime.bell.ring()
                await asyncio.sleep(0.03)
            await asyncio.sleep(300.0)
            world.check_all_is_done()

    flow()
