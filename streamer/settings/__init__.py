"""Settings of the streamer, checked before start: a TOML file and environment variables (`STREAMER_LOG__LEVEL`)."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from streamer.settings.connections import (
    LOOPBACK,
    ElasticsearchSettings,
    KafkaConnectionSettings,
    KafkaSettings,
    ListenSettings,
    LogSettings,
)
from streamer.settings.files import FileSettings, describe, load_as
from streamer.settings.routes import DeploymentSettings, Filter, InferenceField, RouteSettings, Source
from streamer.settings.section import Name, Section

__all__ = [
    "CONFIG_VARIABLE",
    "LOOPBACK",
    "DeploymentSettings",
    "ElasticsearchSettings",
    "FileSettings",
    "Filter",
    "FlowSettings",
    "InferenceField",
    "KafkaConnectionSettings",
    "KafkaSettings",
    "LimitSettings",
    "ListenSettings",
    "LogSettings",
    "Name",
    "RouteSettings",
    "Section",
    "Settings",
    "Source",
    "TopicSettings",
    "describe",
    "load",
    "load_as",
]

CONFIG_VARIABLE = "STREAMER_CONFIG"


class FlowSettings(Section):
    """How much may be under way; these bound the memory."""

    max_outstanding_records: int = Field(20_000, ge=1, description="Records taken and not yet done, in all.")
    max_outstanding_mbytes: int = Field(64, ge=1, description="Megabytes of those records.")
    queue_delay_s: float = Field(
        1.0, ge=0.1, le=30, description="Wished wait at the deployment's queue; it trims itself between 0.5 and 2.3 s."
    )
    bulk_max_documents: int = Field(64, ge=1, le=1_000, description="Most documents with inference in one bulk.")
    plain_bulk_max_documents: int = Field(
        500, ge=1, le=10_000, description="Most documents without inference in one bulk."
    )
    bulk_max_kbytes: int = Field(5_000, ge=1, description="Most kilobytes in one bulk.")
    max_mbytes_in_flight: int = Field(20, ge=1, description="Megabytes of bulks that wait for an answer.")
    linger_ms: int = Field(10, ge=0, le=10_000, description="Wait for a bulk to fill, from its first document.")
    commit_interval_ms: int = Field(1_000, ge=10, description="Time between two commits.")
    drain_timeout_s: float = Field(
        20.0, gt=0, description="Time to finish what is in flight when partitions are taken away or the program stops."
    )
    lexical_after_s: float = Field(
        10.0, ge=0, description="Time that inference must be down before routes that ask for it index without tokens."
    )
    reuse_tokens: bool = Field(
        True,  # noqa: FBT003 - pydantic's way to give a default
        description="Ask the index first, and take the tokens of a text that has not changed from there.",
    )
    topic_check_interval_s: float = Field(
        10.0, gt=0, description="Time between two looks whether a topic was made again or has got partitions."
    )
    stats_interval_s: float = Field(2.0, gt=0, description="Time between two looks at the deployment's statistics.")


class LimitSettings(Section):
    """What stops the stream, everything that is not done kept: many of these mean that something else is wrong."""

    dead_letters_per_minute: int | None = Field(100, ge=0, description="Most dead letters in any minute.")
    dead_letters_per_run: int | None = Field(10_000, ge=0, description="Most dead letters from start to stop.")
    stale_per_minute: int | None = Field(
        100,
        ge=0,
        description="Most records in any minute that lose against a version which their topic cannot have given.",
    )


class TopicSettings(Section):
    """The streamer's own topics."""

    dead_letters: str = Field(
        "streamer-dead-letters", description="Records that can never be indexed, with the reason."
    )
    redrive: str = Field(
        "streamer-redrive",
        description="Dead letters that `streamer dlq redrive` sends back; each group needs one of its own.",
    )
    backlog: str = Field(
        "streamer-backlog",
        description="Documents to be enriched later; compacted; each group needs one of its own.",
    )
    progress: str = Field(
        "streamer-progress",
        description="How far each partition is indexed; compacted; each group needs one of its own.",
    )
    outcomes: str = Field("streamer-outcomes", description="Counts of outcomes, for `streamer ops`.")
    replication_factor: int = Field(1, ge=1, le=10, description="Copies of each of them, when `setup` makes them.")
    dead_letter_retention_days: int = Field(
        30,
        ge=1,
        le=3_650,
        description="Days that dead letters are kept, when `setup` makes their topic; deletion markers twice as long.",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = (self.dead_letters, self.redrive, self.backlog, self.progress, self.outcomes)
        if len(set(names)) != len(names):
            msg = "two of the streamer's own topics have the same name"
            raise ValueError(msg)
        return self


class Settings(FileSettings):
    """All settings of the streamer."""

    config_variable = CONFIG_VARIABLE
    model_config = SettingsConfigDict(env_prefix="STREAMER_", env_nested_delimiter="__", extra="forbid", frozen=True)

    kafka: KafkaSettings = KafkaSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    deployments: list[DeploymentSettings] = Field([], description="Deployments that `setup` starts and routes name.")
    routes: list[RouteSettings] = Field([], description="What goes where.")
    flow: FlowSettings = FlowSettings()
    limits: LimitSettings = LimitSettings()
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
            if ours := {self.topics.redrive, self.topics.backlog}.intersection(route.topics):
                raise ValueError(
                    f"route {route.name!r} names {min(ours)!r}, which the streamer itself fills and empties"
                )
        self._routes_are_apart()
        return self

    def _routes_are_apart(self) -> None:
        prefixes: dict[str, list[str]] = {}
        for route in self.routes:
            for other in prefixes.setdefault(route.index, []):
                if route.id_prefix.startswith(other) or other.startswith(route.id_prefix):
                    raise ValueError(f"routes into {route.index!r} could collide: give each an id_prefix of its own")
            prefixes[route.index].append(route.id_prefix)

    def deployment(self, route: RouteSettings) -> DeploymentSettings:
        """Return the deployment that `route` names."""
        return next(deployment for deployment in self.deployments if deployment.id == route.deployment)


def load(**arguments: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """Read the streamer's settings; see `load_as`."""
    return load_as(Settings, **arguments)
