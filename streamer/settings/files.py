"""Where settings come from: arguments, environment variables, a TOML file; and how wrong ones are told."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, TomlConfigSettingsSource

from streamer.errors import SettingsError


class FileSettings(BaseSettings):
    """Settings of one program, from arguments, environment and a TOML file."""

    config_variable: ClassVar[str]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let arguments win over the environment, and the environment over the file."""
        del dotenv_settings, file_secret_settings
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, os.environ.get(cls.config_variable) or None),
        )


Kind = TypeVar("Kind", bound=FileSettings)


def load_as(settings: type[Kind], **arguments: Any) -> Kind:  # noqa: ANN401 - pydantic checks them
    """Read settings from the file that their variable names, the environment and `arguments`.

    Raises SettingsError with one line for each wrong setting.
    """
    variable = settings.config_variable
    path = os.environ.get(variable)
    if path and not Path(path).is_file():
        raise SettingsError(f"the settings file {path} does not exist: set {variable} or --config to one that does")
    try:
        return settings(**arguments)
    except ValidationError as error:
        raise SettingsError(describe(error)) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"the settings file {path} is not TOML: {error}") from error


def describe(error: ValidationError) -> str:
    """Return one line per wrong setting, with its path and never its value, which may be a secret."""
    lines = [
        f"{'.'.join(map(str, item['loc'])) or 'settings'}: {item['msg']}" for item in error.errors(include_input=False)
    ]
    return "wrong settings:\n  " + "\n  ".join(lines)
