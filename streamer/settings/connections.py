"""How to reach Kafka and Elasticsearch, and where a process is reached and writes its log."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from streamer.settings.section import Section

LOOPBACK = ("127.0.0.1", "::1", "localhost")


class KafkaConnectionSettings(Section):
    """How to reach Kafka, with librdkafka's names for what librdkafka does."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Brokers to ask first, `host:port,host:port`.")
    client_id: str = Field("streamer", description="Name that the broker's logs and quotas show.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    ssl_ca_location: Path | None = Field(
        None, description="File with the certificate authority that signed the brokers' certificates."
    )
    ssl_certificate_location: Path | None = Field(None, description="Client certificate for mutual TLS.")
    ssl_key_location: Path | None = Field(None, description="Key of the client certificate.")
    ssl_key_password: SecretStr | None = Field(None, description="Password of that key.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(
        None, description="SASL mechanism; needed with `SASL_*`."
    )
    sasl_username: str | None = Field(None, description="SASL user.")
    sasl_password: SecretStr | None = Field(None, description="SASL password.")

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Self:
        wanted = self.security_protocol.startswith("SASL")
        given = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if wanted and not all(given):
            msg = f"security_protocol {self.security_protocol} needs sasl_mechanism, sasl_username and sasl_password"
            raise ValueError(msg)
        if any(given) and not wanted:
            msg = "sasl_* is set, but security_protocol is not SASL_PLAINTEXT or SASL_SSL"
            raise ValueError(msg)
        return self


class KafkaSettings(KafkaConnectionSettings):
    """Connection to Kafka and membership in a group."""

    group_id: str = Field(
        "streamer", min_length=1, description="Consumer group; instances of one group share the partitions."
    )
    group_instance_id: str | None = Field(
        None, description="Static membership: a restart within the session timeout moves no partition."
    )
    group_protocol: Literal["classic", "consumer"] = Field(
        "classic", description="`classic` (cooperative-sticky) or `consumer` (KIP-848, brokers 4.0+)."
    )
    session_timeout_ms: int = Field(
        45_000, ge=1_000, description="Classic protocol only: silence after which the broker gives our partitions away."
    )
    max_poll_interval_ms: int = Field(
        300_000, ge=2_000, description="Longest time between two polls before the group goes on without us."
    )
    auto_offset_reset: Literal["earliest", "error"] = Field(
        "earliest",
        description="Where to begin without a commit; `error` stops instead. Skipping to the end would lose records.",
    )
    prefetch_kbytes: int = Field(
        8_192, ge=64, description="Fetched and not yet taken; small, because a pause throws it away."
    )


class ElasticsearchSettings(Section):
    """Connection to Elasticsearch."""

    urls: list[str] = Field(["http://127.0.0.1:9200"], min_length=1, description="Nodes to talk to.")
    ca_certs: Path | None = Field(None, description="File with the certificate authority of the cluster.")
    api_key: SecretStr | None = Field(None, description="API key, encoded (`id:key` in base64).")
    username: str | None = Field(None, description="User for basic authentication.")
    password: SecretStr | None = Field(None, description="Password for basic authentication.")
    bulk_timeout_s: float = Field(
        600.0, gt=0, description="Longest wait for a bulk: it takes as long as its inference."
    )
    request_timeout_s: float = Field(10.0, gt=0, description="Longest wait for any other request.")

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if self.api_key and self.username:
            msg = "api_key and username are both set: choose one"
            raise ValueError(msg)
        if (self.username is None) != (self.password is None):
            msg = "username and password belong together"
            raise ValueError(msg)
        if self.api_key or self.username:
            _refuse_clear_text(self.urls)
        return self


def _refuse_clear_text(urls: list[str]) -> None:
    for url in urls:
        scheme, _, rest = url.partition("://")
        host = rest.rsplit("@", 1)[-1].split("/")[0].rsplit(":", 1)[0].strip("[]")
        if scheme == "http" and host not in LOOPBACK:
            msg = f"credentials would travel in clear text to {host}: use https"
            raise ValueError(msg)


class ListenSettings(Section):
    """Where a process answers about itself."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(9600, ge=0, le=65_535, description="Port; 0 takes a free one.")


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is written.")
    format: Literal["json", "console"] = Field("json", description="`json` for machines, `console` for people.")
