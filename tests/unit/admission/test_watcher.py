"""Statistics come late, stop coming and start again; the limit goes on."""

import asyncio

import pytest

from streamer.admission.little import LittleLimit
from streamer.admission.watcher import Watcher
from streamer.errors import ElasticRefused, SetupDifference
from streamer.metrics import STREAMER_METRICS, Meter
from streamer.runtime import Runtime
from tests.fakes.clock import LoopClock, in_virtual_time
from tests.unit.admission.test_capacity import NODE, stats


class Door:
    """Answers `_stats` from a list; an error in it is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def get(self, path, **params):
        assert path == "/_ml/trained_models/for_ingest/_stats"
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def watch(*answers):
    """Look every two seconds until the answers are used up; return what was known after each."""
    async with asyncio.TaskGroup() as tasks:
        runtime = Runtime(LoopClock(), Meter(STREAMER_METRICS), tasks)
        watcher = Watcher(Door(*answers), "for_ingest", LittleLimit(1.0), runtime)
        seen = []
        for _ in answers:
            await watcher.look()
            seen.append((watcher.capacity and watcher.capacity.allocations, watcher.busy))
            await asyncio.sleep(2.0)
    return seen, runtime.meter.exposition().decode()


@in_virtual_time
async def test_the_limit_follows_and_the_busy_share_is_that_of_the_interval():
    busier = stats(NODE | {"inference_count": 104, "average_inference_time_ms": 37_000 / 104})
    seen, exposition = await watch(stats(NODE), busier)
    assert seen == [(4, None), (4, 0.25)]
    assert 'streamer_deployment_busy_ratio{deployment="for_ingest"} 0.25' in exposition


@in_virtual_time
async def test_without_statistics_nothing_old_is_shown():
    refused = ElasticRefused(403, "security_exception", "action [cluster:monitor/xpack/ml] is unauthorized")
    seen, exposition = await watch(stats(NODE), stats(NODE), refused, {"trained_model_stats": []}, stats(NODE))
    assert seen == [(4, None), (4, 0.0), (None, None), (None, None), (4, None)]
    assert 'streamer_deployment_allocations{deployment="for_ingest"} 4.0' in exposition


@in_virtual_time
async def test_a_reset_leaves_one_interval_unknown():
    after = stats(NODE | {"inference_count": 1})
    seen, _ = await watch(stats(NODE), after, after)
    assert [busy for _, busy in seen] == [None, None, 0.0]


def of_model(model_id):
    answer = stats(NODE)
    answer["trained_model_stats"][0]["deployment_stats"]["model_id"] = model_id
    return answer


@pytest.mark.parametrize("expected", [".elser_model_2", None])
@in_virtual_time
async def test_another_model_under_the_same_name_ends_the_program(expected):
    async with asyncio.TaskGroup() as tasks:
        runtime = Runtime(LoopClock(), Meter(STREAMER_METRICS), tasks)
        door = Door(of_model(".elser_model_2"), {"trained_model_stats": []}, of_model("other"))
        watcher = Watcher(door, "for_ingest", LittleLimit(1.0), runtime, model=expected)
        await watcher.look()
        await watcher.look()
        with pytest.raises(SetupDifference, match=r"'.elser_model_2' expected, 'other' found"):
            await watcher.look()


@in_virtual_time
async def test_a_new_share_counts_at_once_also_while_statistics_are_late():
    class Late(Door):
        async def get(self, path, **params):
            await asyncio.sleep(8.0)
            return await super().get(path, **params)

    async with asyncio.TaskGroup() as tasks:
        runtime = Runtime(LoopClock(), Meter(STREAMER_METRICS), tasks)
        limit = LittleLimit(1.0)
        watcher = Watcher(Late(stats(NODE), stats(NODE)), "for_ingest", limit, runtime)
        runtime.spawn(watcher.run(2.0))
        await asyncio.sleep(9.0)
        whole = limit.window
        watcher.share = lambda: 0.25
        await asyncio.sleep(0.3)
        assert limit.window == pytest.approx(whole / 4, abs=1)
        runtime.end()
