"""A search's time: what its parts may take of the budget, and what is logged when it was slow."""

import asyncio

import pytest
import structlog

from search_api.access.principal import LOCAL
from search_api.app import Parts, create_meter
from search_api.query.request import SearchRequest
from tests.fakes.clock import LoopClock, in_virtual_time
from tests.unit.search_api.fakes import FakeDoor, settings


class TimedDoor(FakeDoor):
    """Takes its time for each part, and notes how long a search may take."""

    def __init__(self, *, infer_s=0.0, search_s=0.0):
        super().__init__()
        self.infer_s, self.search_s, self.within = infer_s, search_s, []

    async def infer(self, endpoint, text):
        await asyncio.sleep(self.infer_s)
        return await super().infer(endpoint, text)

    async def search(self, question, within_s=None):
        self.within.append((question.body["timeout"], within_s))
        await asyncio.sleep(self.search_s)
        return await super().search(question, within_s)


async def searched(door, *, parts=None, **wanted):
    clock = LoopClock()
    made = Parts(settings(**(parts or {})), door, clock, create_meter())
    began = clock.monotonic()
    try:
        answer = await made.searcher.search(SearchRequest(query="heist", **wanted), LOCAL)
        return answer, clock.monotonic() - began
    finally:
        await made.close()


@pytest.mark.parametrize(
    ("infer_s", "timeout_ms", "waited_s", "left"),
    [
        (0.2, None, 0.2, ("1800ms", 1.8)),
        (3.0, None, 0.5, ("1500ms", 1.5)),
        (0.2, 1_000, 0.2, ("800ms", 0.8)),
        (3.0, 600, 0.3, ("300ms", 0.3)),
        (0.2, 9_000, 0.2, ("1800ms", 1.8)),
    ],
)
def test_what_the_expansion_took_is_gone_from_the_budget(infer_s, timeout_ms, waited_s, left):
    @in_virtual_time
    async def test():
        door = TimedDoor(infer_s=infer_s)
        answer, took_s = await searched(door, timeout_ms=timeout_ms)
        assert took_s == pytest.approx(waited_s)
        assert door.within == [(left[0], pytest.approx(left[1]))]
        assert answer.get("degraded") == ("inference" if infer_s > waited_s else None)

    test()


@pytest.mark.parametrize(("search_s", "expected"), [(0.7, []), (0.9, [("ok", 100.0, 900.0)])])
def test_a_slow_search_is_logged_without_its_text(search_s, expected):
    @in_virtual_time
    async def test():
        with structlog.testing.capture_logs() as logged:
            await searched(TimedDoor(infer_s=0.1, search_s=search_s), parts={"slow_log": {"threshold_ms": 1_000}})
        slow = [line for line in logged if line["event"] == "slow search"]
        assert [(line["result"], line["expansion_ms"], line["search_ms"]) for line in slow] == expected
        assert "heist" not in str(logged)

    test()


@in_virtual_time
async def test_the_text_is_logged_where_a_setting_allows_it():
    with structlog.testing.capture_logs() as logged:
        await searched(TimedDoor(search_s=2.0), parts={"slow_log": {"query_text": True}})
    assert [line["query"] for line in logged if line["event"] == "slow search"] == ["heist"]
