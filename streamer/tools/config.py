"""The command `config`: what the settings are, and what they could be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin

import msgspec
import orjson
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

Json = dict[str, Any]

MASK = "**********"
REQUIRED = object()
WORDS: dict[object, str] = {
    str: "text", int: "number", float: "number", bool: "true or false", Path: "file", SecretStr: "secret"
}  # fmt: skip

_USER_IN_URL = re.compile(r"(?<=://)[^/@]*@")


class Row(msgspec.Struct, frozen=True):
    """One setting: `name` with dots, and `[]` where a list repeats."""

    name: str
    values: str
    default: str
    meaning: str


def rows(settings: type[BaseModel], prefix: str = "", given: BaseModel | None = None) -> Iterator[Row]:
    """Yield each setting with its default and meaning; the values of `given` are defaults that win over the class's."""
    for name, field in settings.model_fields.items():
        section, repeats = _section(field.annotation)
        path = f"{prefix}{name}"
        default = getattr(given, name) if given is not None else _default(field)
        if section is None or field.description:
            yield Row(path, _values(field.annotation), _shown(default), field.description or "")
        if section is not None:
            inner = default if isinstance(default, BaseModel) else None
            yield from rows(section, f"{path}{'[]' if repeats else ''}.", inner)


def markdown(table: Iterator[Row]) -> str:
    """Return the settings as a Markdown table."""
    head = "| Setting | Values | Default | Meaning |\n| --- | --- | --- | --- |"
    return "\n".join([head, *(_markdown_row(row) for row in table)])


def effective(settings: BaseModel) -> Json:
    """Return the settings as JSON values, secrets masked, passwords inside URLs included."""
    masked = _masked(settings.model_dump(mode="json"))
    assert isinstance(masked, dict)  # noqa: S101 - a model is an object
    return masked


def lines(values: object, path: str = "") -> Iterator[str]:
    """Yield `name = value` for each setting that is not an object or a list of objects."""
    if isinstance(values, dict) and values:
        for name, value in values.items():
            yield from lines(value, f"{path}.{name}" if path else name)
    elif isinstance(values, list) and values and isinstance(values[0], dict):
        for index, value in enumerate(values):
            yield from lines(value, f"{path}[{index}]")
    else:
        yield f"{path} = {'(not set)' if values is None else orjson.dumps(values).decode()}"


def _masked(value: object) -> object:
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    return _USER_IN_URL.sub(f"{MASK}@", value) if isinstance(value, str) else value


def _section(annotation: object) -> tuple[type[BaseModel] | None, bool]:
    """Return the section that an annotation holds, if only sometimes, and whether it is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list:
        return _section(arguments[0])[0], True
    if origin is UnionType and type(None) in arguments:
        return _section(arguments[0])[0], False
    return None, False


def _values(annotation: object) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin is list:
        section, _ = _section(annotation)
        return "list of sections" if section else f"list of {_values(arguments[0])}"
    if origin is dict or _section(annotation)[0]:
        return "table" if origin is dict else "section"
    if arguments and hasattr(annotation, "__metadata__"):
        return _values(arguments[0])
    if arguments:
        return " or ".join(dict.fromkeys(_values(part) for part in arguments if part is not type(None)))
    return WORDS.get(annotation, "text")


def _default(field: FieldInfo) -> object:
    return REQUIRED if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def _shown(default: object) -> str:
    if default is REQUIRED:
        return "required"
    return "none" if default is None else f"`{orjson.dumps(default, default=str).decode()}`"


def _markdown_row(row: Row) -> str:
    cells = (f"`{row.name}`", row.values, row.default, row.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
