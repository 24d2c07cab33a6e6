"""What decoding needs to know of a route, worked out once before the first record."""

from __future__ import annotations

import re

import msgspec

from streamer.settings import Filter, InferenceField, RouteSettings


class Reuse(msgspec.Struct, frozen=True):
    """Whether a text whose tokens are indexed is spared the encoder.

    `off` says why not; it is empty where it is. `hidden` says that the server leaves tokens out of its answers unless
    it is asked for them.
    """

    off: str = "nobody has looked whether they can be read"
    hidden: bool = False


class Route(msgspec.Struct, frozen=True):
    """A route ready for use; `fingerprint` is the identity of model and pipeline revision."""

    name: str
    topics: tuple[str, ...]
    format: str
    index: str
    concrete_index: str
    pipeline: str
    pipeline_revision: str
    model: str
    deployment: str
    inference: tuple[InferenceField, ...]
    id_from: str
    id_prefix: str
    version_from: str
    filters: tuple[Filter, ...]
    lexical: bool = False
    """Whether documents are indexed without tokens while inference is down."""
    reuse: Reuse = Reuse()

    @property
    def fingerprint(self) -> bytes:
        """What the tokens depend on beside the text."""
        return f"{self.model}\0{self.pipeline_revision}".encode()

    @property
    def written_by_processor(self) -> tuple[str, ...]:
        """Fields that a record may not bring along."""
        return tuple(dict.fromkeys(name for field in self.inference for name in (field.output, *field.beside)))

    def takes(self, topic: str) -> bool:
        """Return whether this route takes the records of `topic`."""
        return any(re.match(name, topic) if name.startswith("^") else name == topic for name in self.topics)


def route_of(
    settings: RouteSettings, *, concrete_index: str, pipeline_revision: str, model: str, reuse: Reuse
) -> Route:
    """Return the route for `settings` and what was found in the cluster."""
    return Route(
        settings.name,
        tuple(settings.topics),
        settings.format,
        settings.index,
        concrete_index,
        settings.pipeline_name,
        pipeline_revision,
        model,
        settings.deployment,
        tuple(settings.inference),
        settings.id_from,
        settings.id_prefix,
        settings.version_from,
        tuple(settings.filters),
        settings.when_inference_is_down == "lexical",
        reuse,
    )
