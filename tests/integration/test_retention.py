"""Retention takes records that were never read: that is said and counted, and the stream goes on behind them."""

import pytest
from confluent_kafka import TopicPartition

from tests.fixtures.films import films, records_of
from tests.fixtures.truth import assert_exact

FAILED = 1
KEPT, TAKEN = 10, 7


@pytest.fixture
def overtaken(scenario):
    def made(**connection):
        case = scenario(connection=connection)
        case.set_up(partitions=1)
        if connection:
            # Without a commit `error` would end at once: one is set by hand, as the message says.
            case.kafka.commit(case.group, [TopicPartition(case.topic, 0, 0)])
        running = case.start()
        case.send(records_of(films(KEPT)))
        case.await_done(running)
        running.terminate()
        assert running.wait() == 0
        late = case.send(records_of(films(KEPT + 20)[KEPT:]))
        case.kafka.truncate(case.topic, {0: KEPT + TAKEN})
        case.sent = [one for one in case.sent if one not in late[:TAKEN]]
        return case

    return made


def test_what_was_skipped_is_counted(overtaken):
    case = overtaken()
    running = case.start()
    case.await_done(running)
    assert_exact(case)
    assert running.metric("streamer_skipped_records_total") == {("0", case.topic): TAKEN}
    said = running.event("retention took records before they were read")
    assert (said["partition"], said["offset"], said["count"]) == (f"{case.topic}-0", KEPT, TAKEN)


def test_with_error_it_stops_instead(overtaken):
    case = overtaken(auto_offset_reset="error")
    running = case.start()
    assert running.wait() == FAILED
    said = running.log.read_text()
    assert "kafka.auto_offset_reset = earliest" in said
    assert "Traceback" not in said
    assert case.committed == KEPT
