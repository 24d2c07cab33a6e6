"""From settings to librdkafka's configuration, and from its errors to ours."""

from __future__ import annotations

from typing import Any

from confluent_kafka import KafkaError as ClientError
from confluent_kafka import KafkaException

from streamer.errors import KafkaError, KafkaUnavailable
from streamer.settings import KafkaConnectionSettings, KafkaSettings

UNREACHABLE = frozenset(
    {ClientError._TRANSPORT, ClientError._ALL_BROKERS_DOWN, ClientError._TIMED_OUT, ClientError._RESOLVE}
)
HEARTBEAT_MS = 3_000


def connection(settings: KafkaConnectionSettings) -> dict[str, Any]:
    """Return what consumer, producer and admin client have in common."""
    wanted = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": settings.client_id,
        # What goes wrong comes back as an error, to who asked or to `Complaints`; its own lines would say it again.
        "log_level": 0,
        "security.protocol": settings.security_protocol,
        "ssl.ca.location": _text(settings.ssl_ca_location),
        "ssl.certificate.location": _text(settings.ssl_certificate_location),
        "ssl.key.location": _text(settings.ssl_key_location),
        "ssl.key.password": settings.ssl_key_password and settings.ssl_key_password.get_secret_value(),
        "sasl.mechanism": settings.sasl_mechanism,
        "sasl.username": settings.sasl_username,
        "sasl.password": settings.sasl_password and settings.sasl_password.get_secret_value(),
    }
    return {name: value for name, value in wanted.items() if value is not None}


def consumer(settings: KafkaSettings) -> dict[str, Any]:
    """Return the consumer's configuration: nothing is committed or stored but by us."""
    common = connection(settings) | {
        "group.id": settings.group_id,
        "group.protocol": settings.group_protocol,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": settings.auto_offset_reset,
        "max.poll.interval.ms": settings.max_poll_interval_ms,
        "queued.max.messages.kbytes": settings.prefetch_kbytes,
        "queued.min.messages": 10_000,
        # A full queue is looked at again soon: at the default of 1 s a small queue would run dry.
        "fetch.queue.backoff.ms": 50,
        "fetch.wait.max.ms": 100,
        "statistics.interval.ms": 1_000,
        "topic.metadata.refresh.interval.ms": 10_000,
    }
    if settings.group_instance_id:
        common["group.instance.id"] = settings.group_instance_id
    if settings.group_protocol == "classic":
        # With KIP-848 the broker decides both.
        common["partition.assignment.strategy"] = "cooperative-sticky"
        common["session.timeout.ms"] = settings.session_timeout_ms
        # Left at its default of 3 s, a short session would end between two heartbeats.
        common["heartbeat.interval.ms"] = min(HEARTBEAT_MS, settings.session_timeout_ms // 3)
    return common


def producer(settings: KafkaSettings) -> dict[str, Any]:
    """Return the producer's configuration: acknowledged by all, in order, without duplicates."""
    return connection(settings) | {
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": 5,
        # A dead letter holds its record in base64, a third longer; `setup` lets the topic take this much.
        "message.max.bytes": 4_000_000,
        # The same partition as Kafka's own (Java) producers choose for a key.
        "partitioner": "murmur2_random",
    }


def ours(error: ClientError | KafkaException, doing: str) -> KafkaError:
    """Return our error for librdkafka's, which happened while `doing`."""
    cause = error.args[0] if isinstance(error, KafkaException) else error
    text = f"{doing} failed: {cause.str()} ({cause.name()})"
    if cause.code() in UNREACHABLE:
        return KafkaUnavailable(f"{text}: check that kafka.bootstrap_servers is right and a broker runs there")
    return KafkaError(text)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
