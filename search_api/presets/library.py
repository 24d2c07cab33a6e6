"""The presets of a file: read and tried at start, and made searches when somebody asks for one."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, StringConstraints, ValidationError, model_validator

from search_api.access.principal import Principal
from search_api.errors import InvalidRequest, SearchError, UnknownPreset
from search_api.model import Json, Message
from search_api.pointers import faults_of
from search_api.presets import template
from search_api.presets.parameter import Given, Parameter, complete, faults
from search_api.query.request import SearchRequest
from search_api.validation import under_body
from streamer.errors import SettingsError
from streamer.settings import Name, Section, describe

ParameterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Check = Callable[[SearchRequest], None]
"""Raises SearchError when the service would not answer a search."""


class Preset(Section):
    """A search under a name."""

    description: str = Field("", max_length=500, description="What it is for.")
    parameters: dict[ParameterName, Parameter] = Field({}, description="What clients give.")
    search: dict[str, Any] = Field(description="A search as `POST /search` takes it, with `$name` for values.")

    @model_validator(mode="after")
    def _names_are_known(self) -> Self:
        named = {*template.names(self.search)}
        if unknown := sorted(named - self.parameters.keys()):
            raise ValueError(f"search names {', '.join(unknown)}, which is no parameter: declare it, or write $$ for $")
        if unused := sorted(self.parameters.keys() - named):
            raise ValueError(f"search does not name the parameter {', '.join(unused)}: take it out")
        return self

    @property
    def index(self) -> str | None:
        """The index that it searches, when it is always the same one."""
        name = self.search.get("index")
        return name if isinstance(name, str) and not {*template.names(name)} else None

    def request(self, given: Mapping[str, Given]) -> SearchRequest:
        """Return the search with values that fit. Raises ValidationError when it is none with these."""
        return SearchRequest.model_validate(template.filled(self.search, complete(given, self.parameters)))


class PresetRequest(Message):
    """Values for the parameters of a preset."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"parameters": {"q": "a heist", "since": 1990}}]})

    parameters: dict[str, Given] = Field({}, description="By name; see `GET /presets`.")


class _File(Section):
    presets: dict[Name, Preset]


class Presets:
    """Presets by name."""

    def __init__(self, presets: Mapping[str, Preset], check: Check) -> None:
        """Try each of `presets` with values at the edges. Raises SettingsError naming all that would be refused."""
        wrong = [f"{name}: {problem}" for name, one in presets.items() for problem in _problems(one, check)]
        if wrong:
            raise SettingsError("wrong presets:\n  " + "\n  ".join(wrong))
        self._presets = presets

    def of(self, caller: Principal) -> dict[str, Preset]:
        """Return those that `caller` may ask for, by name."""
        return {name: one for name, one in self._presets.items() if one.index is None or caller.may_search(one.index)}

    def request(self, name: str, given: Mapping[str, Given], caller: Principal) -> SearchRequest:
        """Return the search called `name` with the values that a client gave.

        Raises UnknownPreset, and InvalidRequest naming each wrong value.
        """
        seen = self.of(caller)
        if name not in seen:
            raise UnknownPreset(name, seen)
        preset = seen[name]
        if found := [*faults(given, preset.parameters)]:
            raise InvalidRequest(*found)
        try:
            return preset.request(given)
        except ValidationError as error:
            # Each value fits and all together do not.
            raise InvalidRequest(*faults_of(under_body(error.errors(include_input=False)))) from error


def read(path: Path) -> dict[str, Preset]:
    """Return the presets of a TOML or JSON file. Raises SettingsError."""
    try:
        text = path.read_text(encoding="utf-8")
        found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return _File.model_validate(found).presets
    except OSError as error:
        raise SettingsError(f"the presets {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise SettingsError(f"{path}: {describe(error)}") from error
    except ValueError as error:
        raise SettingsError(f"the presets {path} are not {path.suffix.removeprefix('.')}: {error}") from error


def _problems(preset: Preset, check: Check) -> Iterator[str]:
    for given in _trials(preset.parameters):
        try:
            check(preset.request(given))
        except ValidationError as error:
            yield describe(error)
        except SearchError as error:
            yield str(error)
        else:
            continue
        return


def _trials(parameters: Mapping[str, Parameter]) -> Iterator[dict[str, Given]]:
    """Yield the least that clients must give, then with each value at its edges."""
    least = {name: next(one.samples()) for name, one in parameters.items() if one.required}
    yield least
    for name, one in parameters.items():
        for sample in one.samples():
            yield {**least, name: sample}


def shown(name: str, preset: Preset) -> Json:
    """Return what clients may know of a preset."""
    parameters = {key: _parameter(one) for key, one in preset.parameters.items()}
    return {"name": name, "description": preset.description, "parameters": parameters}


def _parameter(one: Parameter) -> Json:
    return {"required": one.required, **one.model_dump(exclude_defaults=True, exclude={"optional"}), "type": one.type}
