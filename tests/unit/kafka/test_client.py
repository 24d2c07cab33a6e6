"""What librdkafka is told, and what its errors become."""

import pytest
from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka import KafkaError as ClientError

from streamer.errors import KafkaError, KafkaUnavailable
from streamer.kafka import client
from streamer.settings import KafkaSettings

SASL = KafkaSettings.model_validate(
    {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "me", "sasl_password": "secret"}
)


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_librdkafka_takes_the_consumers_configuration(protocol):
    Consumer(client.consumer(KafkaSettings(group_protocol=protocol, group_instance_id="one"))).close()


def test_librdkafka_takes_the_producers_configuration():
    Producer(client.producer(KafkaSettings()))


def test_delivery_is_ours():
    found = client.consumer(KafkaSettings(prefetch_kbytes=4_096))
    assert found["enable.auto.commit"] is False
    assert found["enable.auto.offset.store"] is False
    assert found["auto.offset.reset"] == "earliest"
    assert found["queued.max.messages.kbytes"] == 4_096
    assert client.producer(KafkaSettings())["enable.idempotence"] is True


def test_the_broker_decides_with_the_new_protocol():
    classic, modern = (client.consumer(KafkaSettings(group_protocol=one)) for one in ("classic", "consumer"))
    assert classic["partition.assignment.strategy"] == "cooperative-sticky"
    assert not {"partition.assignment.strategy", "session.timeout.ms", "heartbeat.interval.ms"} & set(modern)


@pytest.mark.parametrize("session", [1_000, 6_000, 45_000])
def test_several_heartbeats_fit_into_a_session(session):
    found = client.consumer(KafkaSettings(session_timeout_ms=session))
    assert found["heartbeat.interval.ms"] * 3 <= session


def test_security_is_handed_on_and_what_is_unset_left_out():
    found = client.connection(SASL)
    assert (found["sasl.username"], found["sasl.password"]) == ("me", "secret")
    assert "secret" not in repr(SASL)
    assert not [name for name in client.connection(KafkaSettings()) if name.startswith(("sasl", "ssl"))]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (ClientError._TRANSPORT, KafkaUnavailable),
        (ClientError._ALL_BROKERS_DOWN, KafkaUnavailable),
        (ClientError.TOPIC_AUTHORIZATION_FAILED, KafkaError),
    ],
)
def test_errors_become_ours(code, kind, wrapped):
    error = ClientError(code)
    found = client.ours(KafkaException(error) if wrapped else error, "listing topics")
    assert type(found) is kind
    assert str(found).startswith("listing topics failed: ")
