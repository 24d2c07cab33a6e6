"""`search-api keys`: make a key, and derive tokens from one; neither needs the service or its settings."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer
from pydantic import ValidationError

from search_api.access import keys, tokens
from search_api.access.settings import KEY_NAME, SHORTEST_SECRET, Scope
from streamer.clock import SystemClock
from streamer.errors import InputError
from streamer.settings.files import describe

SIGNING_KEY = "SEARCH_API_SIGNING_KEY"

app = typer.Typer(help="Make API keys and tokens derived from them.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Scopes = Annotated[list[str] | None, typer.Option("--scope", help="search, admin or standing; may repeat.")]
Indices = Annotated[list[str] | None, typer.Option("--index", help="Name of an index; may repeat; default: all.")]


class MadeKey(msgspec.Struct, omit_defaults=True):
    """A key, as it is printed: `key` goes to the client, the rest into the settings."""

    key: str
    name: str
    hash: str
    scopes: list[str]
    indices: list[str] | None = None
    expires: str | None = None
    signing_key: str | None = None


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Name of the key: a-z, 0-9, _ and -.")],
    *,
    scope: Scopes = None,
    index: Indices = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it ends; default: never.")] = None,
    derives: Annotated[bool, typer.Option("--derives", help="Make a signing key too: tokens can be derived.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key: its text is shown this once, on standard error; its row for the settings goes to standard output."""
    if not re.fullmatch(KEY_NAME, name):
        raise InputError(f"{name!r} is no name of a key: a-z, 0-9, _ and -, at most 63")
    secret = keys.make_secret()
    made = MadeKey(
        key=keys.text_of(name, secret),
        name=name,
        hash=keys.hash_of(secret),
        scopes=list(_scopes(scope)),
        indices=index,
        expires=_after(days),
        signing_key=keys.make_secret() if derives else None,
    )
    if as_json:
        typer.echo(msgspec.json.encode(made))
        return
    typer.echo(f"the key, for its client; it is kept nowhere: {made.key}", err=True)
    typer.echo(_row(made))


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Name of the key to derive from.")],
    *,
    hours: Annotated[float, typer.Option(min=0.01, help="Hours until it ends.")] = 1.0,
    scope: Scopes = None,
    index: Indices = None,
    filters: Annotated[str | None, typer.Option(help="Filters as in a request: a JSON list.")] = None,
    label: Annotated[str | None, typer.Option("--id", help="Whose it is.")] = None,
) -> None:
    """Derive a token; the signing key comes from SEARCH_API_SIGNING_KEY, else from the first line of standard input."""
    said: dict[str, Any] = {
        "exp": SystemClock().now_ms() // 1000 + round(timedelta(hours=hours).total_seconds()),
        "id": label,
        "scopes": list(_scopes(scope)) if scope else None,
        "indices": index,
        "filters": _json(filters) if filters else None,
    }
    typer.echo(tokens.derive(name, _signing_key(), _checked({part: one for part, one in said.items() if one})))


def _scopes(given: list[str] | None) -> list[Scope]:
    try:
        return msgspec.convert(given or ["search"], list[Scope])
    except msgspec.ValidationError as error:
        raise InputError("--scope is search, admin or standing") from error


def _after(days: int | None) -> str | None:
    if days is None:
        return None
    end = datetime.fromtimestamp(SystemClock().now_ms() // 1000, tz=UTC) + timedelta(days=days)
    return end.isoformat().replace("+00:00", "Z")


def _row(made: MadeKey) -> str:
    fields = {name: value for name, value in msgspec.to_builtins(made).items() if name != "key"}
    lines = [
        f"{name} = {value if name == 'expires' else msgspec.json.encode(value).decode()}"
        for name, value in fields.items()
    ]
    return "\n".join(["[[access.keys]]", *lines])


def _signing_key() -> str:
    found = os.environ.get(SIGNING_KEY) or sys.stdin.readline().strip()
    if len(found) < SHORTEST_SECRET:
        raise InputError(
            f"a signing key has at least {SHORTEST_SECRET} characters: set {SIGNING_KEY}, or write it to standard input"
        )
    return found


def _json(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise InputError(f"--filters is not JSON: {error}") from error


def _checked(said: dict[str, Any]) -> dict[str, Any]:
    try:
        tokens.Claims.model_validate(said)
    except ValidationError as error:
        raise InputError(describe(error)) from error
    return said
