"""Templates: a search with names for values, `"$genre"`, and the search that comes of it (pure).

A value takes the place of a whole string, with its own type; nothing is put together from pieces of text, so that what
a client gives is never read as anything but a value. `"$$x"` is the text `$x`. Where a name has no value, what it would
have filled is left out: a key of an object, a member of a list, and with all its names a filter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from search_api.model import Json

SIGN = "$"


class _Missing:
    """What there is no value for."""


MISSING = _Missing()


def filled(template: Json, values: Mapping[str, Any]) -> Json:
    """Return the search that `template` is with `values`."""
    found = _filled(template, values)
    return found if isinstance(found, dict) else {}


def names(template: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """Yield each name that `template` has a place for."""
    if isinstance(template, str) and (name := _name(template)):
        yield name
    elif isinstance(template, dict):
        for one in template.values():
            yield from names(one)
    elif isinstance(template, list):
        for one in template:
            yield from names(one)


def _name(text: str) -> str | None:
    if not text.startswith(SIGN) or text.startswith(2 * SIGN):
        return None
    return text.removeprefix(SIGN)


def _filled(template: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    match template:
        case str():
            name = _name(template)
            return _text(template) if name is None else values.get(name, MISSING)
        case dict():
            found = {key: _filled(one, values) for key, one in template.items()}
            return _rest(template, {key: one for key, one in found.items() if one is not MISSING})
        case list():
            members = [_member(one, values) for one in template]
            return _rest(template, [one for one in members if one is not MISSING])
    return template


def _text(template: str) -> str:
    return template[1:] if template.startswith(2 * SIGN) else template


def _rest(template: Any, found: Any) -> Any:  # noqa: ANN401 - an object or a list
    # What was empty from the beginning was meant so.
    return found if found or not template else MISSING


def _member(template: Any, values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(template, dict):
        named = [name for one in template.values() if isinstance(one, str) and (name := _name(one))]
        if named and values.keys().isdisjoint(named):
            return MISSING
    return _filled(template, values)
