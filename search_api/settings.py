"""Settings of the search service: the same kind of file as the streamer's, named by `SEARCH_API_CONFIG`."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from search_api.access.settings import AccessSettings, HttpSettings
from search_api.freshness.settings import FreshnessSettings
from streamer.model import RESERVED
from streamer.settings import (
    LOOPBACK,
    ElasticsearchSettings,
    FileSettings,
    KafkaConnectionSettings,
    ListenSettings,
    LogSettings,
    Name,
    Section,
    load_as,
)

Kind = Literal["keyword", "integer", "number", "date"]
FieldName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s*?,]+$")]
# Preconfigured endpoints begin with a dot.
EndpointId = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]
TopicName = Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]
Boost = Annotated[float, Field(gt=0, allow_inf_nan=False)]

WRITTEN_BY_PIPELINES = ("model_id", "is_truncated")
"""Fields that an inference processor leaves beside its tokens (es: InferenceResults.writeResultToField)."""


class FilterSettings(Section):
    """A field to filter, count and sort by; in the file `"keyword"` is short for `{ kind = "keyword" }`."""

    kind: Kind = Field(
        description="`keyword`; `integer` where the mapping says so (32 bits); `number` for other numbers; `date`."
    )
    field: FieldName | None = Field(None, description="Elasticsearch's name of it, such as `director.keyword`.")
    sortable: bool = Field(default=True, description="Whether hits can be sorted by it.")
    # Elasticsearch fails a search that collapses on a field of which a document has two values.
    single: bool = Field(default=False, description="Whether no document has two values: hits can be collapsed by it.")


def _filter(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


Filter = Annotated[FilterSettings, BeforeValidator(_filter)]


class DisplaySettings(Section):
    """Which fields a page shows, and as what."""

    title: FieldName = Field("title", description="Field that names a document.")
    text: FieldName = Field("text", description="Field with the text to read.")
    details: list[FieldName] = Field([], description="Fields shown beside the title, in this order.")
    attribution: str = Field("", max_length=500, description="Line under the results: whose the data is.")


class IndexSettings(Section):
    """An index that can be searched."""

    name: Name = Field(description="Name that clients use.")
    alias: Name = Field(description="Alias (or index) in Elasticsearch; clients never see it.")
    topics: list[TopicName] = Field(
        [], description="Topics that fill it, for freshness: those of its routes, which name the same alias."
    )
    inference_endpoint: EndpointId = Field(description="Endpoint that turns query text into tokens.")
    semantic_field: FieldName = Field("text_embedding", description="`sparse_vector` field with the tokens.")
    # All boosts are 1: how much a field tells differs by collection, and none was tuned on any judged set.
    lexical_fields: dict[FieldName, Boost] = Field(
        min_length=1, description="Text fields of the lexical part, with boosts."
    )
    # Elasticsearch's own default. `cross_fields` is for terms spread over short fields that share an analyzer.
    lexical_type: Literal["best_fields", "most_fields", "cross_fields"] = Field(
        "best_fields", description="How the lexical part combines its fields."
    )
    # 1 and 4 are the figures of Elastic's tutorial "Semantic search with ELSER"; none is tuned on any judged set.
    semantic_boost: Boost = Field(1.0, description="Weight of the semantic part in hybrid mode.")
    lexical_boost: Boost = Field(4.0, description="Weight of the lexical part in hybrid mode.")
    # Servers from 8.19 and 9.1 prune by default, by the statistics of each shard: scores would differ between shards.
    prune: bool = Field(
        default=False, description="Leave out query tokens that are frequent and weak: faster, less exact."
    )
    # Elasticsearch's own defaults, and bounds.
    prune_ratio: int = Field(5, ge=1, le=100, description="A token is frequent from so many times the average on.")
    prune_weight: float = Field(
        0.4, ge=0, le=1, description="A token is weak below this share of the best one's weight."
    )
    filters: dict[FieldName, Filter] = Field({}, description="Fields to filter on, by the name that clients use.")
    result_fields: list[FieldName] = Field(
        [], description="Fields of an answer's source; empty: all that are not hidden."
    )
    hidden_fields: list[FieldName] = Field([], description="Further fields that never leave the service.")
    suggest_fields: list[FieldName] = Field(
        [],
        description="Fields to suggest from as somebody types: `text` or `search_as_you_type`; default: `display.title`.",
    )
    display: DisplaySettings = DisplaySettings()

    @property
    def hidden(self) -> tuple[str, ...]:
        """Paths that no answer may contain: tokens, what pipelines write, the reserved object."""
        base, dot, _ = self.semantic_field.rpartition(".")
        written = (f"{base}{dot}{name}" for name in WRITTEN_BY_PIPELINES)
        return (self.semantic_field, *written, RESERVED, *self.hidden_fields)

    @model_validator(mode="after")
    def _hidden_stays_hidden(self) -> Self:
        filtered = (one.field or name for name, one in self.filters.items())
        shown = {*self.result_fields, *filtered, *self.lexical_fields, *self.suggest_fields}
        wrong = sorted(name for name in shown if any(f"{name}.".startswith(f"{path}.") for path in self.hidden))
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: hidden fields can be neither shown nor filtered nor searched")
        return self


class ConcurrencySettings(Section):
    """How many searches may be at Elasticsearch at a time, adapted to how it answers (see concurrency.py)."""

    initial: int = Field(32, ge=1, le=10_000, description="Searches at a time, before anything is known.")
    least: int = Field(4, ge=1, le=10_000, description="Never fewer.")
    most: int = Field(256, ge=1, le=10_000, description="Never more; also the size of the connection pool.")
    slow_ms: int = Field(500, ge=1, le=60_000, description="An answer that takes longer is a sign of a queue there.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.least <= self.initial <= self.most:
            raise ValueError(f"least ({self.least}), initial ({self.initial}) and most ({self.most}) must be in order")
        return self


class SearchSettings(Section):
    """How long the parts of a search may take, and how many there may be at a time."""

    timeout_ms: int = Field(2_000, ge=10, le=60_000, description="Time budget of a search; a request may ask for less.")
    inference_timeout_ms: int = Field(
        5_000, ge=10, le=60_000, description="Longest an inference may take; its tokens are kept although nobody waits."
    )
    concurrency: ConcurrencySettings = ConcurrencySettings()


class BreakerSettings(Section):
    """When inference is left alone, so that searches are answered by words at once."""

    failures: int = Field(5, ge=1, description="Failures within the window that open it; slow ones count.")
    share: float = Field(0.5, gt=0, le=1, description="Share of the inferences in the window that must have failed.")
    window_s: float = Field(10.0, gt=0, description="Time over which failures are counted.")
    open_s: float = Field(2.0, gt=0, description="Time until one query tries inference again.")


class ExpansionSettings(Section):
    """The tokens of queries: how long they are waited for, and kept."""

    # Tokens of a query take about 15 kB as Python objects, so this is about 30 MB.
    entries: int = Field(2_000, ge=1, description="Queries whose tokens are kept.")
    ttl_s: float = Field(3_600.0, gt=0, description="Time that they are kept.")
    budget_ms: int = Field(500, ge=1, le=60_000, description="Longest that a search waits for them; then words alone.")
    concurrent: int = Field(64, ge=1, description="Most inferences at a time; for a query beyond, words alone.")
    model_check_s: float = Field(60.0, gt=0, description="How long a changed model of an endpoint goes unnoticed.")
    breaker: BreakerSettings = BreakerSettings()


class SlowLogSettings(Section):
    """Which searches get a log line of their own."""

    threshold_ms: int = Field(1_000, ge=0, description="A search that takes as long is logged; 0: every search.")
    # What people search for is theirs.
    query_text: bool = Field(default=False, description="Whether that line may hold the text of the query.")


class CursorSettings(Section):
    """Walks through all hits. Each keeps segments alive at Elasticsearch, so there are bounds to their number and time."""

    secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs cursors; the same for all instances. Without it one is made at start, and cursors end with the process.",
    )
    per_key: int = Field(10, ge=1, description="Most cursors of one key that are open at this process.")
    in_all: int = Field(200, ge=1, description="Most cursors that are open at this process.")
    keep_alive_s: int = Field(
        300, ge=1, le=86_400, description="Longest time that a cursor may wait for its next page."
    )
    longest_s: int = Field(3_600, ge=1, le=604_800, description="Longest time from the first page to the last.")


class LimitSettings(Section):
    """What a request may ask for."""

    body_kbytes: int = Field(64, ge=1, le=10_240, description="Largest request body.")
    body_depth: int = Field(20, ge=1, le=100, description="Most objects and lists of a body that stand one in another.")
    query_chars: int = Field(1_000, ge=1, description="Longest query text.")
    size: int = Field(100, ge=1, le=10_000, description="Most hits in an answer.")
    filters: int = Field(20, ge=0, description="Most filters in a request, those in groups included.")
    filter_values: int = Field(100, ge=1, le=10_000, description="Most values of one filter.")
    searches: int = Field(10, ge=1, le=100, description="Most searches of one request to `/search/multi`.")
    facets: int = Field(10, ge=0, description="Most facets in a request.")
    facet_values: int = Field(200, ge=1, le=10_000, description="Most values, or ranges, of one facet.")


class Settings(FileSettings):
    """All settings of the search service."""

    config_variable = "SEARCH_API_CONFIG"
    model_config = SettingsConfigDict(env_prefix="SEARCH_API_", env_nested_delimiter="__", extra="forbid", frozen=True)

    listen: ListenSettings = ListenSettings(port=9610)
    admin: ListenSettings = ListenSettings(port=9611)
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    indices: list[IndexSettings] = Field(min_length=1, description="What can be searched; the first is the default.")
    presets: Path | None = Field(
        None, description="TOML or JSON file with searches under names; see docs/search-ways.md."
    )
    search: SearchSettings = SearchSettings()
    expansion: ExpansionSettings = ExpansionSettings()
    cursor: CursorSettings = CursorSettings()
    limits: LimitSettings = LimitSettings()
    access: AccessSettings = AccessSettings()
    http: HttpSettings = HttpSettings()
    kafka: KafkaConnectionSettings | None = Field(
        None, description="Where the streamer's progress is; without, answers say nothing of freshness."
    )
    freshness: FreshnessSettings = FreshnessSettings()
    log: LogSettings = LogSettings()
    slow_log: SlowLogSettings = SlowLogSettings()

    @model_validator(mode="after")
    def _open_means_loopback(self) -> Self:
        if self.access.is_open and not is_loopback(self.listen.host):
            raise ValueError(
                f"{self.listen.host!r} can be reached from other machines, and without keys this service does not ask who "
                "calls: make one with `search-api keys new`, or set listen.host to 127.0.0.1, ::1 or localhost"
            )
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [index.name for index in self.indices]
        if len(set(names)) != len(names):
            raise ValueError("two indices have the same name")
        return self


def is_loopback(host: str) -> bool:
    """Return whether `host` can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK


def load(**arguments: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """Read the settings; raises SettingsError with one line for each wrong one."""
    return load_as(Settings, **arguments)
