"""The format of a scenario file. README.md beside this file explains it; what it does not know is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Seconds = Annotated[float, Field(ge=0)]
Range = tuple[float | None, float | None]
Stats = Literal["ok", "denied", "late", "stale", "reset", "absent", "bare"]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Service(Part):
    """Milliseconds of one inference: base + per token x tokens x log-normal jitter, as the synthetic model has it."""

    base_ms: float = Field(30.0, ge=0)
    ms_per_token: float = Field(1.25, ge=0)
    sigma: float = Field(0.1, ge=0)


class Adaptive(Part):
    """Adaptive allocations: their bounds, how long a new one takes to start, and when there are none."""

    least: int = Field(1, ge=0)
    most: int = Field(8, ge=1)
    start_s: Seconds = 5.0
    zero_after_s: Seconds | None = None


class Server(Part):
    nodes: int = Field(1, ge=1, le=64)
    allocations: int = Field(8, ge=0, le=512)
    """Of each node."""
    queue_capacity: int = Field(1024, ge=1)
    """Of each node."""
    cores: int | None = Field(None, ge=1)
    """Of each node: allocations beyond them are hyper-threads, worth a fifth of a core."""
    rtt_ms: float = Field(2.0, ge=0)
    gap_ms: float = Field(0.0, ge=0)
    """Between two inferences of an allocation: what node and machine take, in which the model is idle."""
    service: Service = Service()
    adaptive: Adaptive | None = None


class Event(Part):
    """Something that happens `at` a time; exactly one of the others says what."""

    at: Seconds
    allocations: int | None = Field(None, ge=0)
    """So many on each node from now on."""
    nodes: int | None = Field(None, ge=1, le=64)
    """So many nodes from now on; those that are taken away finish what they have."""
    lose: int | None = Field(None, ge=1)
    """So many nodes are gone, with all that they had."""
    back: int | None = Field(None, ge=1)
    """So many of the lost nodes are there again, with empty counters."""
    crash: float | None = Field(None, ge=0)
    """The process of the first node dies and is there again after so many seconds."""
    deployed: bool | None = None
    """False: the deployment is stopped."""
    speed: float | None = Field(None, gt=0)
    """Inferences are so much faster than at the start."""
    stats: Stats | None = None
    """How the statistics answer from now on."""

    @model_validator(mode="after")
    def _one(self) -> Event:
        said = self.model_dump(exclude_none=True).keys() - {"at"}
        if len(said) != 1:
            raise ValueError(f"an event says exactly one thing, this one {len(said)}: {', '.join(sorted(said))}")
        return self

    @property
    def what(self) -> tuple[str, Any]:
        """The one thing that happens, and its value."""
        ((name, value),) = ((k, v) for k, v in self.model_dump(exclude_none=True).items() if k != "at")
        return name, value


class Lognormal(Part):
    median: float = Field(ge=1)
    sigma: float = Field(ge=0)


class Share(Part):
    share: float = Field(gt=0, le=1)
    tokens: int = Field(ge=1, le=512)


class Lengths(Part):
    """Tokens of what is sent `after` this time: a number, a log-normal, or a mixture. At most 512 count."""

    after: Seconds = 0.0
    tokens: int | None = Field(None, ge=1, le=512)
    lognormal: Lognormal | None = None
    mixed: tuple[Share, ...] | None = None

    @model_validator(mode="after")
    def _one(self) -> Lengths:
        if sum(one is not None for one in (self.tokens, self.lognormal, self.mixed)) != 1:
            raise ValueError("lengths are one of tokens, lognormal, mixed")
        return self


class Arrivals(Part):
    """Documents a second, evenly at random, or as a part of what the server can do at the start."""

    rate: float | None = Field(None, gt=0)
    load: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one(self) -> Arrivals:
        if (self.rate is None) == (self.load is None):
            raise ValueError("arrivals are one of rate, load")
        return self


class Search(Part):
    """Searches a second on the same deployment, and milliseconds of one."""

    rate: float = Field(2.0, gt=0)
    ms: float = Field(20.0, gt=0)


class Clients(Part):
    """Instances of the policy under test that come and go together. They `drain` or are `killed` at the end."""

    count: int = Field(1, ge=1)
    join: Seconds = 0.0
    leave: Seconds | None = None
    killed: bool = False


class Stranger(Part):
    """A client that keeps the queue as full as it can: bulks without end, refused documents again at once."""

    start: Seconds = 0.0
    stop: Seconds | None = None
    bulk: int = Field(500, ge=1)
    in_flight: int = Field(4, ge=1)
    again_s: float = Field(0.1, gt=0)
    tokens: int = Field(256, ge=1, le=512)


class Tenant(Part):
    """Another client of the deployment that sends so many documents a second, one by one."""

    rate: float = Field(gt=0)
    tokens: int = Field(256, ge=1, le=512)
    start: Seconds = 0.0
    stop: Seconds | None = None


class Expect(Part):
    """What must come out; [least, most], null for no bound. What is not named is not checked."""

    busy: Range | None = None
    goodput: Range | None = None
    rejections: Range | None = None
    ingest_p50_s: Range | None = None
    ingest_p99_s: Range | None = None
    search_p50_ms: Range | None = None
    search_p99_ms: Range | None = None
    searches_refused: Range | None = None
    freshness_p99_s: Range | None = None
    recovery_s: Range | None = None
    lost: Range | None = None
    wasted: Range | None = None
    fairness: Range | None = None
    window: Range | None = None


class Case(Part):
    why: str = Field(min_length=20)
    seconds: float = Field(300.0, gt=0, le=7200)
    seed: int = 1
    server: Server = Server()
    stats: Stats = "ok"
    events: tuple[Event, ...] = ()
    documents: tuple[Lengths, ...] = (Lengths(tokens=256),)
    arrivals: Literal["backlog"] | Arrivals = "backlog"
    partitions: int = Field(12, ge=1)
    search: Search | None = None
    clients: tuple[Clients, ...] = (Clients(),)
    stranger: Stranger | None = None
    tenant: Tenant | None = None
    expect: Expect
    best_fixed: float | None = None
    """Goodput of the best fixed window, searched out by `--best-fixed`: three points below it are allowed."""


class CaseError(ValueError):
    """A scenario file that is not one."""


def load(path: Path) -> Case:
    """Read a scenario. Raises CaseError, which names file, place and what is allowed there."""
    try:
        return Case.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except yaml.YAMLError as error:
        raise CaseError(f"{path}: no YAML: {error}") from error
    except ValidationError as error:
        lines = [_line(one) for one in error.errors()]
        raise CaseError("\n  ".join([f"{path}:", *lines])) from error


def _line(error: Any) -> str:
    place = ".".join(map(str, error["loc"])) or "the file"
    if error["type"] == "extra_forbidden":
        allowed = ", ".join(sorted(_model_at(error["loc"][:-1]).model_fields))
        return f"{place}: unknown; allowed here: {allowed}"
    return f"{place}: {error['msg']}"


def _model_at(path: tuple[Any, ...]) -> type[BaseModel]:
    """Return the model that describes what lies at a path of an error."""
    model: type[BaseModel] = Case
    for step in path:
        field = model.model_fields.get(step) if isinstance(step, str) else None
        if field is not None:
            model = _models_in(field.annotation)[0]
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for one in get_args(annotation) for model in _models_in(one)]
