"""Settings of the streamer: a TOML file and environment variables (`STREAMER_KAFKA__GROUP_ID`), checked before start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from streamer.errors import SettingsError
from streamer.model import RESERVED

CONFIG_VARIABLE = "STREAMER_CONFIG"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _source(value: str) -> str:
    kind, _, name = value.partition(":")
    if kind in {"key", "position"} and not name:
        return value
    if kind in {"field", "header"} and name:
        return value
    msg = "must be `key`, `position`, `field:NAME` or `header:NAME`"
    raise ValueError(msg)


Source = Annotated[str, AfterValidator(_source)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Section(BaseModel):
    """A part of the settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Section):
    """Connection to Kafka, with librdkafka's names for what librdkafka does."""

    bootstrap_servers: str = Field("127.0.0.1:9092", description="Brokers to ask first, `host:port,host:port`.")
    group_id: str = Field("streamer", min_length=1, description="Consumer group; instances of one group share the partitions.")
    client_id: str = Field("streamer", description="Name that the broker's logs and quotas show.")
    group_instance_id: str | None = Field(None, description="Static membership: a restart within the session timeout moves no partition.")
    group_protocol: Literal["classic", "consumer"] = Field("classic", description="`classic` (cooperative-sticky) or `consumer` (KIP-848, brokers 4.0+).")
    session_timeout_ms: int = Field(45_000, ge=1_000, description="Classic protocol only: silence after which the broker gives our partitions away.")
    max_poll_interval_ms: int = Field(300_000, ge=2_000, description="Longest time between two polls before the group goes on without us.")
    auto_offset_reset: Literal["earliest", "error"] = Field("earliest", description="Where to begin without a commit; `error` stops instead. Skipping to the end would lose records.")
    prefetch_kbytes: int = Field(8_192, ge=64, description="Fetched and not yet taken; small, because a pause throws it away.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field("PLAINTEXT", description="How to talk to the brokers.")
    ssl_ca_location: Path | None = Field(None, description="File with the certificate authority that signed the brokers' certificates.")
    ssl_certificate_location: Path | None = Field(None, description="Client certificate for mutual TLS.")
    ssl_key_location: Path | None = Field(None, description="Key of the client certificate.")
    ssl_key_password: SecretStr | None = Field(None, description="Password of that key.")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(None, description="SASL mechanism; needed with `SASL_*`.")
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


class ElasticsearchSettings(Section):
    """Connection to Elasticsearch."""

    urls: list[str] = Field(["http://127.0.0.1:9200"], min_length=1, description="Nodes to talk to.")
    ca_certs: Path | None = Field(None, description="File with the certificate authority of the cluster.")
    api_key: SecretStr | None = Field(None, description="API key, encoded (`id:key` in base64).")
    username: str | None = Field(None, description="User for basic authentication.")
    password: SecretStr | None = Field(None, description="Password for basic authentication.")
    bulk_timeout_s: float = Field(600.0, gt=0, description="Longest wait for a bulk: it takes as long as its inference.")
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


class DeploymentSettings(Section):
    """A trained model deployment: where texts become tokens."""

    id: Name = Field(description="Deployment id, or endpoint id with `type = endpoint`.")
    type: Literal["deployment", "endpoint"] = Field("deployment", description="`endpoint` makes an inference endpoint, which brings its deployment along.")
    model_id: str = Field(".elser_model_2", description="Trained model.")
    number_of_allocations: int = Field(1, ge=1, le=1024, description="Copies of the model that work side by side.")
    threads_per_allocation: Literal[1, 2, 4, 8, 16, 32] = Field(1, description="Threads of one copy.")
    queue_capacity: int = Field(1024, ge=1, le=1_000_000, description="Queue slots on each node.")
    cache_size: str | None = Field(None, description="Size of the inference cache, `0b` for none; default: the server's.")


class InferenceField(Section):
    """One text to encode: from `input` to `output`, a `sparse_vector` field."""

    input: str = Field(min_length=1, description="Field that holds the text.")
    output: str = Field(min_length=1, description="Field that takes the tokens.")


class Filter(Section):
    """A condition on a record; a record that fails one is indexed no more: its document is deleted."""

    field: str = Field(min_length=1, description="Field of the record's JSON.")
    any_of: list[str | int | bool] = Field(min_length=1, description="Values that pass.")


class RouteSettings(Section):
    """Which topics go into which index, and how."""

    name: Name = Field(description="Name of the route in metrics, state and logs.")
    topics: list[str] = Field(min_length=1, description="Topics; one that begins with `^` is a regular expression.")
    index: Name = Field(description="Alias that is written and read.")
    inference: list[InferenceField] = Field(min_length=1, description="Texts to encode.")
    deployment: Name = Field(description="Deployment that encodes them.")
    pipeline: Name | None = Field(None, description="Ingest pipeline; default: the name of the route with `-elser`.")
    id_from: Source = Field("key", description="Document id: `key`, `position` or `field:NAME`.")
    id_prefix: str = Field("", max_length=64, description="Put before each id; needed where two routes write one index.")
    version_from: Source = Field("position", description="Version: `position`, or a number from `field:NAME` or `header:NAME`.")
    filters: list[Filter] = Field([], description="Conditions; all must hold.")
    properties: dict[str, Any] = Field({}, description="Mapping of the document's own fields.")
    number_of_shards: int = Field(1, ge=1, le=1024, description="Primary shards of a new index.")
    number_of_replicas: int = Field(0, ge=0, le=16, description="Replicas of a new index.")
    refresh_interval: str = Field("1s", pattern=r"^\d+(ms|s|m)$", description="How soon a new index shows what was written.")

    @property
    def pipeline_name(self) -> str:
        """The ingest pipeline's name."""
        return self.pipeline or f"{self.name}-elser"

    @model_validator(mode="after")
    def _sources_fit(self) -> Self:
        if self.id_from.startswith("header:"):
            msg = "id_from can be `key`, `position` or `field:NAME`"
            raise ValueError(msg)
        if self.version_from == "key":
            msg = "version_from can be `position`, `field:NAME` or `header:NAME`"
            raise ValueError(msg)
        outputs = [field.output for field in self.inference]
        if len(set(outputs)) != len(outputs) or RESERVED in outputs:
            msg = f"inference outputs must differ from each other and from {RESERVED}"
            raise ValueError(msg)
        return self


class FlowSettings(Section):
    """How much may be under way; these bound the memory."""

    max_outstanding_records: int = Field(20_000, ge=1, description="Records taken and not yet done, in all.")
    max_outstanding_mbytes: int = Field(64, ge=1, description="Megabytes of those records.")
    documents_per_allocation: int = Field(32, ge=1, le=512, description="Window: document inputs in flight for each allocation.")
    bulk_max_documents: int = Field(64, ge=1, le=1_000, description="Most documents with inference in one bulk.")
    plain_bulk_max_documents: int = Field(500, ge=1, le=10_000, description="Most documents without inference in one bulk.")
    bulk_max_kbytes: int = Field(5_000, ge=1, description="Most kilobytes in one bulk.")
    max_mbytes_in_flight: int = Field(20, ge=1, description="Megabytes of bulks that wait for an answer.")
    linger_ms: int = Field(10, ge=0, le=10_000, description="Wait for a bulk to fill, from its first document.")
    commit_interval_ms: int = Field(1_000, ge=10, description="Time between two commits.")
    drain_timeout_s: float = Field(20.0, gt=0, description="Time to finish what is in flight when partitions are taken away or the program stops.")
    stats_interval_s: float = Field(2.0, gt=0, description="Time between two looks at the deployment's statistics.")


class TopicSettings(Section):
    """The streamer's own topics."""

    dead_letters: str = Field("streamer-dead-letters", description="Records that can never be indexed, with the reason.")
    progress: str = Field("streamer-progress", description="How far each partition is indexed; compacted.")
    outcomes: str = Field("streamer-outcomes", description="Counts of outcomes, for `streamer ops`.")
    replication_factor: int = Field(1, ge=1, le=10, description="Copies of each of them, when `setup` makes them.")


class ListenSettings(Section):
    """Where a process answers about itself."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(9600, ge=0, le=65_535, description="Port; 0 takes a free one.")


class LogSettings(Section):
    """What is written to standard error."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is written.")
    format: Literal["json", "console"] = Field("json", description="`json` for machines, `console` for people.")


class FileSettings(BaseSettings):
    """Settings of one program, from arguments, environment and a TOML file."""

    config_variable: ClassVar[str]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let arguments win over the environment, and the environment over the file."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, os.environ.get(cls.config_variable) or None)


class Settings(FileSettings):
    """All settings of the streamer."""

    config_variable = CONFIG_VARIABLE
    model_config = SettingsConfigDict(env_prefix="STREAMER_", env_nested_delimiter="__", extra="forbid", frozen=True)

    kafka: KafkaSettings = KafkaSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    deployments: list[DeploymentSettings] = Field([], description="Deployments that `setup` starts and routes name.")
    routes: list[RouteSettings] = Field([], description="What goes where.")
    flow: FlowSettings = FlowSettings()
    topics: TopicSettings = TopicSettings()
    state_index: Name = Field("streamer-state", description="Index that holds epochs and deletion markers.")
    admin: ListenSettings = ListenSettings()
    ops: ListenSettings = ListenSettings(port=9601)
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _routes_fit(self) -> Self:
        names = [route.name for route in self.routes]
        if len(set(names)) != len(names):
            msg = "two routes have the same name"
            raise ValueError(msg)
        known = {deployment.id for deployment in self.deployments}
        for route in self.routes:
            if route.deployment not in known:
                msg = f"route {route.name!r} names the deployment {route.deployment!r}, which [[deployments]] lacks"
                raise ValueError(msg)
        self._routes_are_apart()
        return self

    def _routes_are_apart(self) -> None:
        prefixes: dict[str, list[str]] = {}
        for route in self.routes:
            for other in prefixes.setdefault(route.index, []):
                if route.id_prefix.startswith(other) or other.startswith(route.id_prefix):
                    msg = f"two routes into {route.index!r} could write the same document: give each an id_prefix of its own"
                    raise ValueError(msg)
            prefixes[route.index].append(route.id_prefix)

    def deployment(self, route: RouteSettings) -> DeploymentSettings:
        """Return the deployment that `route` names."""
        return next(deployment for deployment in self.deployments if deployment.id == route.deployment)


Kind = TypeVar("Kind", bound=FileSettings)


def load(**arguments: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """Read the streamer's settings; see `load_as`."""
    return load_as(Settings, **arguments)


def load_as(settings: type[Kind], **arguments: Any) -> Kind:  # noqa: ANN401 - pydantic checks them
    """Read settings from the file that their variable names, the environment and `arguments`.

    Raises SettingsError with one line for each wrong setting.
    """
    variable = settings.config_variable
    path = os.environ.get(variable)
    if path and not Path(path).is_file():
        raise SettingsError(f"the settings file {path} does not exist: set {variable} or --config to one that does")
    try:
        return settings(**arguments)
    except ValidationError as error:
        raise SettingsError(describe(error)) from error


def describe(error: ValidationError) -> str:
    """Return one line per wrong setting, with its path and never its value, which may be a secret."""
    lines = [f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg']}" for item in error.errors(include_input=False)]
    return "wrong settings:\n  " + "\n  ".join(lines)
