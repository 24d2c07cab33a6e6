"""From the settings to Faust's way of naming brokers and credentials."""

from __future__ import annotations

import ssl

import faust
from pydantic import SecretStr

from streamer.settings import KafkaSettings


def brokers(settings: KafkaSettings) -> list[str]:
    """Return the brokers as Faust's URLs."""
    return [f"kafka://{broker.strip()}" for broker in settings.bootstrap_servers.split(",")]


def credentials(settings: KafkaSettings) -> faust.SASLCredentials | faust.SSLCredentials | None:
    """Return how to prove who we are, or None where the brokers do not ask."""
    context = _tls(settings) if settings.security_protocol.endswith("SSL") else None
    if settings.security_protocol.startswith("SASL"):
        return faust.SASLCredentials(
            mechanism=settings.sasl_mechanism,
            username=settings.sasl_username,
            password=_clear(settings.sasl_password),
            ssl_context=context,
        )
    return faust.SSLCredentials(context) if context else None


def _tls(settings: KafkaSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ssl_ca_location)
    if settings.ssl_certificate_location:
        password = _clear(settings.ssl_key_password)
        context.load_cert_chain(settings.ssl_certificate_location, settings.ssl_key_location, password)
    return context


def _clear(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
