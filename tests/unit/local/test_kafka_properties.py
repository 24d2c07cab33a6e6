from dataclasses import replace
from pathlib import Path

import pytest

from compose.local.kafka_part import KafkaSettings, Listener, properties, render

SETTINGS = KafkaSettings(port=9092, controller_port=9093, data=Path("/data/kafka"))


def test_every_listener_is_on_loopback():
    proxied = replace(SETTINGS, listeners=(Listener("PROXY", 9094, 19094),))
    for name in ("listeners", "advertised.listeners"):
        for address in properties(proxied)[name].split(","):
            assert "://127.0.0.1:" in address


def test_a_listener_for_a_proxy_is_bound_to_one_port_and_advertises_another():
    values = properties(replace(SETTINGS, listeners=(Listener("PROXY", 9094, 19094),)))
    assert "PROXY://127.0.0.1:9094" in values["listeners"].split(",")
    assert "PROXY://127.0.0.1:19094" in values["advertised.listeners"].split(",")
    assert "PROXY:PLAINTEXT" in values["listener.security.protocol.map"].split(",")


def test_the_plain_listener_advertises_its_own_port():
    assert "PLAINTEXT://127.0.0.1:9092" in properties(SETTINGS)["advertised.listeners"].split(",")


@pytest.mark.parametrize(
    ("given", "least"),
    [
        ("group.consumer.session.timeout.ms", "group.consumer.min.session.timeout.ms"),
        ("group.consumer.heartbeat.interval.ms", "group.consumer.min.heartbeat.interval.ms"),
    ],
)
def test_what_the_broker_sets_is_not_below_its_own_minimum(given, least):
    values = properties(SETTINGS)
    assert int(values[given]) >= int(values[least])


def test_a_member_that_died_is_noticed_in_seconds():
    values = properties(SETTINGS)
    assert int(values["group.consumer.session.timeout.ms"]) <= 10_000
    assert int(values["group.min.session.timeout.ms"]) <= 1_000
    assert int(values["broker.session.timeout.ms"]) <= 2_000


def test_a_session_outlives_several_missed_heartbeats():
    values = properties(SETTINGS)
    assert int(values["group.consumer.session.timeout.ms"]) >= 3 * int(values["group.consumer.heartbeat.interval.ms"])


def test_backslashes_are_escaped():
    assert render({"log.dirs": "a\\b"}) == "log.dirs=a\\\\b\n"
