"""What clients ask about freshness, and what answers say of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from search_api.freshness.board import State
from search_api.freshness.position import parse


def _checked(text: str) -> str:
    parse(text)
    return text


PositionText = Annotated[str, AfterValidator(_checked), Field(max_length=320, examples=["films-0@1234"])]


class FreshnessWish(BaseModel):
    """How fresh an answer must be. Without any of these a search never waits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_position: list[PositionText] = Field(
        [],
        description="Records that must be searchable first, `TOPIC-PARTITION@OFFSET` as a producer's delivery reports "
        "name them; `:TOPIC_ID` behind one names the incarnation of the topic.",
    )
    max_age: float | None = Field(
        None,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="Everything that was in the topics so many seconds ago must be searchable.",
    )
    wait_ms: int | None = Field(None, ge=0, strict=True, description="Longest wait for that; default: the service's.")
    accept_stale: bool = Field(
        default=False, description="Answer all the same when that takes longer, with `stale`; else it is a problem."
    )

    @property
    def asks(self) -> bool:
        """Whether there is anything to wait for."""
        return bool(self.min_position) or self.max_age is not None


class PartitionFreshness(BaseModel):
    """How far a partition is searchable; null stands for unknown."""

    topic: str
    partition: int
    topic_id: str = Field(description="Incarnation of the topic: another one when it was deleted and made again.")
    offset: int | None = Field(description="Every record before it is searchable, or ended otherwise.")
    end: int | None = Field(description="Offset that the next record gets, as of the last look.")
    lag: int | None = Field(description="Records that are not searchable yet, at most.")
    lag_s: float | None = Field(description="Seconds since nothing was missing; 0 when nothing is.")


class PositionFreshness(BaseModel):
    """What has become of a position that the request named."""

    position: str
    state: State = Field(
        description="`pending`: not indexed yet; `indexed`: not surely searchable yet; `searchable`; `lexical`: found "
        "by its words, its tokens are owed; `superseded`: a newer state of the document is there; `dead_lettered`: it "
        "was refused and will not appear; `done`: one of these, which is not told any more."
    )


class Freshness(BaseModel):
    """How far the index had come when the search was sent."""

    stale: bool = Field(description="Whether less than the request asks for.")
    age_s: float | None = Field(
        description="Everything that was in the topics so many seconds before is searched; null: unknown."
    )
    waited_ms: float = Field(description="How long the search waited for this.")
    searchable: Literal["refreshed", "expected"] = Field(
        description="`refreshed`: a refresh made sure; `expected`: the index had time to refresh by itself."
    )
    partitions: list[PartitionFreshness]
    positions: list[PositionFreshness]
