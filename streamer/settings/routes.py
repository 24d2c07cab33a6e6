"""Which topics go into which index, and where their texts are encoded."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from streamer.model import RESERVED
from streamer.settings.section import Name, Section


def _source(value: str) -> str:
    kind, _, name = value.partition(":")
    if kind in {"key", "position"} and not name:
        return value
    if kind in {"field", "header", "envelope"} and name:
        return value
    msg = "must be `key`, `position`, `field:NAME`, `header:NAME` or `envelope:PATH`"
    raise ValueError(msg)


Source = Annotated[str, AfterValidator(_source)]


class DeploymentSettings(Section):
    """A trained model deployment: where texts become tokens."""

    id: Name = Field(description="Deployment id, or endpoint id with `type = endpoint`.")
    type: Literal["deployment", "endpoint"] = Field(
        "deployment", description="`endpoint` makes an inference endpoint, which brings its deployment along."
    )
    model_id: str = Field(".elser_model_2", description="Trained model.")
    number_of_allocations: int = Field(1, ge=1, le=1024, description="Copies of the model that work side by side.")
    threads_per_allocation: Literal[1, 2, 4, 8, 16, 32] = Field(1, description="Threads of one copy.")
    queue_capacity: int = Field(1024, ge=1, le=1_000_000, description="Queue slots on each node.")
    cache_size: str | None = Field(
        None, description="Size of the inference cache, `0b` for none; default: the server's."
    )
    search_headroom: int = Field(
        0,
        ge=0,
        le=1_024,
        description="Allocations kept idle for searches, where they share the deployment: it costs their throughput, "
        "and adaptive allocations never scale up.",
    )


class InferenceField(Section):
    """One text to encode: from `input` to `output`, a `sparse_vector` field."""

    input: str = Field(min_length=1, description="Field that holds the text.")
    output: str = Field(min_length=1, description="Field that takes the tokens.")

    @property
    def beside(self) -> tuple[str, ...]:
        """Fields that the inference processor writes beside the output; it appends to what is there.

        Source: `InferenceResults.writeResultToField`, Elasticsearch 9.1.
        """
        parent, dot, _ = self.output.rpartition(".")
        return tuple(parent + dot + name for name in ("model_id", "is_truncated"))


class Filter(Section):
    """A condition on a record; a record that fails one is indexed no more: its document is deleted."""

    field: str = Field(min_length=1, description="Field of the record's JSON.")
    any_of: list[str | int | bool] = Field(min_length=1, description="Values that pass.")


def _overlap(one: str, other: str) -> bool:
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


class RouteSettings(Section):
    """Which topics go into which index, and how."""

    name: Name = Field(description="Name of the route in metrics, state and logs.")
    topics: list[str] = Field(min_length=1, description="Topics; one that begins with `^` is a regular expression.")
    format: Literal["json", "debezium"] = Field(
        "json", description="What the records are: JSON objects, or Debezium's change events as JSON."
    )
    index: Name = Field(description="Alias that is written and read.")
    inference: list[InferenceField] = Field(min_length=1, description="Texts to encode.")
    deployment: Name = Field(description="Deployment that encodes them.")
    pipeline: Name | None = Field(None, description="Ingest pipeline; default: the name of the route with `-elser`.")
    id_from: Source = Field("key", description="Document id: `key`, `position` or `field:NAME`.")
    id_prefix: str = Field(
        "", max_length=64, description="Put before each id; needed where two routes write one index."
    )
    version_from: Source = Field(
        "position",
        description="Version: `position`, or a number from `field:NAME`, `header:NAME` or, with Debezium,"
        " `envelope:PATH` (`envelope:source.lsn`).",
    )
    when_inference_is_down: Literal["wait", "lexical"] = Field(
        "wait",
        description="`lexical`: index at once without tokens, and enrich later from the backlog topic.",
    )
    filters: list[Filter] = Field([], description="Conditions; all must hold.")
    properties: dict[str, Any] = Field({}, description="Mapping of the document's own fields.")
    number_of_shards: int = Field(1, ge=1, le=1024, description="Primary shards of a new index.")
    number_of_replicas: int = Field(0, ge=0, le=16, description="Replicas of a new index.")
    refresh_interval: str = Field(
        "1s", pattern=r"^\d+(ms|s|m)$", description="How soon a new index shows what was written."
    )

    @property
    def pipeline_name(self) -> str:
        """The ingest pipeline's name."""
        return self.pipeline or f"{self.name}-elser"

    @model_validator(mode="after")
    def _sources_fit(self) -> Self:
        if self.id_from.startswith(("header:", "envelope:")):
            msg = "id_from can be `key`, `position` or `field:NAME`"
            raise ValueError(msg)
        if self.version_from == "key":
            msg = "version_from can be `position`, `field:NAME`, `header:NAME` or `envelope:PATH`"
            raise ValueError(msg)
        if self.when_inference_is_down == "lexical" and self.version_from != "position":
            msg = "when_inference_is_down = lexical needs version_from = position: a version of your own has no stages"
            raise ValueError(msg)
        if self.version_from.startswith("envelope:") and self.format != "debezium":
            raise ValueError(
                f"version_from = {self.version_from} needs format = debezium: {self.format} has no envelope"
            )
        taken = [RESERVED, *(field.input for field in self.inference)]
        for field in self.inference:
            if wrong := next((name for name in taken if _overlap(field.output, name) or name in field.beside), None):
                raise ValueError(f"the inference output {field.output!r} would overwrite {wrong!r}: choose another")
            taken.append(field.output)
        return self
