"""A share of the items is refused while records come at their pace: all arrive, and none goes twice."""

import time

import pytest

from tests.fixtures.films import films, records_of
from tests.fixtures.proxy import Proxy
from tests.fixtures.recorder import Recorder
from tests.fixtures.truth import assert_exact

SECONDS, RATE = 8, 20


@pytest.mark.parametrize("share", [0.01, 0.3])
def test_all_are_delivered_and_none_goes_again_after_success(scenario, elastic, share):
    case, recorder = scenario(), Recorder()
    case.set_up(base_ms=30)
    elastic.fault("reject_items", share=share, seed=5, deployment=case.deployment)
    with Proxy(elastic.url, recorder) as proxy:
        case.settings["elasticsearch"] = {"urls": [proxy.url]}
        running = case.start()
        running.await_started()
        records = records_of(films(SECONDS * RATE))
        for first in range(0, len(records), RATE // 2):
            case.send(records[first : first + RATE // 2])
            time.sleep(0.5)
        case.await_done(running)
        running.close()
    assert_exact(case)
    assert recorder.again == 0
    assert recorder.refused == elastic.struck("reject_items")
    assert recorder.sent == len(records) + recorder.refused
    assert elastic.inferences(case.deployment) == len(records)
    assert case.letters() == []


def test_the_recorder_sees_what_goes_again(scenario, elastic):
    """A group that begins anew sends everything again."""
    case, recorder = scenario(), Recorder()
    case.set_up()
    case.send(records_of(films(5)))
    with Proxy(elastic.url, recorder) as proxy:
        case.settings["elasticsearch"] = {"urls": [proxy.url]}
        for _ in range(2):
            running = case.start()
            case.await_done(running)
            running.kill()
            case.group = f"{case.name}-again"
            case.settings["kafka"] = case.settings["kafka"] | {"group_id": case.group}
    assert (recorder.sent, recorder.again) == (10, 5)
