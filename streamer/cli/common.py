"""What all commands have in common: options, settings, output."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streamer.settings import Settings

Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="Settings file (TOML); also STREAMER_CONFIG.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def use(config: Path | None) -> None:
    """Let `config` be the settings file, if one is named."""
    if config is not None:
        os.environ["STREAMER_CONFIG"] = str(config)


def read_settings(config: Path | None) -> Settings:
    """Return the settings, and write the log as they say. Raises SettingsError."""
    from streamer import logs
    from streamer.settings import load

    use(config)
    settings = load()
    logs.configure(settings.log.level, settings.log.format)
    return settings


def print_line(line: object) -> None:
    """Print one line for people."""
    typer.echo(str(line))


def print_error(line: object) -> None:
    """Print one line on standard error, where it is in no machine's way."""
    typer.echo(str(line), err=True)


def print_lines(lines: Iterable[object]) -> None:
    """Print lines for people."""
    for line in lines:
        print_line(line)


def print_json(value: object) -> None:
    """Print `value` as one line of JSON."""
    import msgspec

    typer.echo(msgspec.json.encode(value))
