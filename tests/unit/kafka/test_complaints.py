"""Passing trouble is told once in a while, with how often it was not."""

import pytest
from confluent_kafka import KafkaError as ClientError

from streamer.kafka import complaints as module
from streamer.kafka.complaints import QUIET_S, Complaints
from tests.fakes.clock import HandClock

DOWN = ClientError(ClientError._ALL_BROKERS_DOWN, "1/1 brokers are down")
REFUSED = ClientError(ClientError._TRANSPORT, "connection refused")


class Log(list):
    def warning(self, event, **fields):
        self.append(fields)


@pytest.fixture
def told(monkeypatch):
    made = Log()
    monkeypatch.setattr(module, "log", made)
    return made


def test_the_same_complaint_is_told_once_in_a_while_and_counted_between(told):
    clock = HandClock()
    complaints = Complaints("consumer", clock)
    for seconds in (0.0, 0.1, QUIET_S - 0.1, QUIET_S, QUIET_S + 0.1, 2 * QUIET_S):
        clock.now = seconds
        complaints.hear(REFUSED)
    fields = {"client": "consumer", "error": "connection refused", "code": "_TRANSPORT"}
    assert told == [fields | {"suppressed": count} for count in (0, 2, 1)]


def test_another_complaint_is_told_at_once(told):
    complaints = Complaints("producer", HandClock())
    complaints.hear(REFUSED)
    complaints.hear(DOWN)
    assert [one["code"] for one in told] == ["_TRANSPORT", "_ALL_BROKERS_DOWN"]
