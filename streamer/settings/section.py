"""What every part of the settings has in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Section(BaseModel):
    """A part of the settings; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
