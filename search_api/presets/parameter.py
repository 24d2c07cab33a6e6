"""Parameters of a preset: what a value may be (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, StrictBool, model_validator

from search_api.errors import Fault
from search_api.model import VALUE_CHARS, Number, Value
from search_api.query.filters import fits
from streamer.settings import Section

Type = Literal["text", "integer", "number", "boolean", "date"]
One = Value | StrictBool
Given = One | list[One]
"""A value of a parameter, as a client sends it."""

_WORDS: Mapping[Type, str] = {
    "text": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date, like 2026-01-31 or 2026-01-31T12:00:00Z",
}


class Parameter(Section):
    """A value that clients give. Without a default it is required, unless it is optional."""

    type: Type = Field(description="What a value is.")
    description: str = Field("", max_length=500, description="What it means, for those who use it.")
    default: Given | None = Field(None, description="Taken when none is given.")
    optional: bool = Field(default=False, description="Whether what names it is left out when none is given.")
    many: bool = Field(default=False, description="Whether it is a list of such values.")
    most: int = Field(20, ge=1, le=1_000, description="Most values of a list.")
    allowed: list[Value] = Field([], description="All values that there are.")
    minimum: Number | None = Field(None, description="Least number.")
    maximum: Number | None = Field(None, description="Largest number.")
    max_chars: int = Field(200, ge=1, le=VALUE_CHARS, description="Longest text.")

    @property
    def required(self) -> bool:
        """Whether clients must give it."""
        return self.default is None and not self.optional

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default is not None and self.optional:
            raise ValueError("give a default or optional, not both")
        if self.type not in {"integer", "number"} and (self.minimum is not None or self.maximum is not None):
            raise ValueError(f"a parameter of type {self.type} has no minimum and no maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is larger than maximum")
        wrong = [problem for one in self.allowed if (problem := self.problem_of_one(one))]
        if self.default is not None:
            wrong += self.problems(self.default)
        if wrong:
            raise ValueError(f"allowed and default: {wrong[0]}")
        return self

    def problems(self, value: Given) -> list[str]:
        """Return what is wrong with `value`: nothing, or why it is refused."""
        if not self.many:
            found = self.problem_of_one(value)
            return [found] if found else []
        if not isinstance(value, list) or not value:
            return ["must be a list with at least one value"]
        if len(value) > self.most:
            return [f"must have at most {self.most} values"]
        return [problem for one in value if (problem := self.problem_of_one(one))][:1]

    def problem_of_one(self, value: Given) -> str | None:
        """Return what is wrong with a single value."""
        if not self._is_of_type(value):
            return f"must be {_WORDS[self.type]}"
        if isinstance(value, str) and len(value) > self.max_chars:
            return f"must have at most {self.max_chars} characters"
        if isinstance(value, int | float) and (bound := self._beyond(value)):
            return bound
        if self.allowed and value not in self.allowed:
            return "must be one of those that are allowed"
        return None

    def _is_of_type(self, value: Given) -> bool:
        match self.type:
            case "text":
                return isinstance(value, str) and bool(value.strip())
            case "boolean":
                return isinstance(value, bool)
            case "date":
                return isinstance(value, str) and fits(value, "date")
            case "integer":
                return isinstance(value, int) and not isinstance(value, bool)
        return isinstance(value, int | float) and not isinstance(value, bool)

    def _beyond(self, value: float) -> str | None:
        if self.minimum is not None and value < self.minimum:
            return f"must be at least {self.minimum}"
        if self.maximum is not None and value > self.maximum:
            return f"must be at most {self.maximum}"
        return None

    def samples(self) -> Iterator[Given]:
        """Yield values at the edges of what is allowed, to try a preset with before anybody asks."""
        for one in self._samples_of_one():
            yield [one] * self.most if self.many else one

    def _samples_of_one(self) -> Iterator[One]:
        if self.allowed:
            yield from self.allowed
        elif self.type == "text":
            yield "x" * self.max_chars
        elif self.type == "boolean":
            yield from (True, False)
        elif self.type == "date":
            yield "2026-01-31"
        else:
            yield from (bound for bound in (self.minimum, self.maximum) if bound is not None)
            if self.minimum is None and self.maximum is None:
                yield 1


def faults(given: Mapping[str, Given], parameters: Mapping[str, Parameter]) -> Iterator[Fault]:
    """Yield what is wrong with the values that a client gave."""
    for name in given.keys() - parameters.keys():
        yield Fault(f"there is no parameter {name!r}", pointer="/parameters", allowed=tuple(parameters))
    for name, parameter in parameters.items():
        if name in given:
            for problem in parameter.problems(given[name]):
                allowed = tuple(str(one) for one in parameter.allowed)
                yield Fault(f"{name} {problem}", pointer=f"/parameters/{name}", allowed=allowed)
        elif parameter.required:
            yield Fault(f"{name} is required", pointer=f"/parameters/{name}")


def complete(given: Mapping[str, Given], parameters: Mapping[str, Parameter]) -> dict[str, Given]:
    """Return the values that were given, with the defaults of the others."""
    defaults = {name: one.default for name, one in parameters.items() if one.default is not None}
    return {**defaults, **given}
