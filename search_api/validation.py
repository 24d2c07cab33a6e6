"""Messages that did not come as the body of a request: checked like one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from search_api.errors import InvalidRequest
from search_api.model import Json, Message
from search_api.pointers import faults_of
from search_api.query.request import SearchRequest

Kind = TypeVar("Kind", bound=Message)


def search_of(wanted: Json) -> SearchRequest:
    """Return `wanted` as a search. Raises InvalidRequest naming each wrong part."""
    return checked(SearchRequest, wanted)


def checked(kind: type[Kind], wanted: Json) -> Kind:
    """Return `wanted` as a message of `kind`. Raises InvalidRequest naming each wrong part."""
    try:
        return kind.model_validate(wanted)
    except ValidationError as error:
        raise InvalidRequest(*faults_of(under_body(error.errors(include_input=False)))) from error


def under_body(errors: Sequence[Any]) -> list[Json]:
    """Return pydantic's `errors` as if what they are about were a body."""
    return [{**error, "loc": ("body", *error["loc"])} for error in errors]
