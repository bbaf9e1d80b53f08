"""Which configuration a command works on."""

from __future__ import annotations

from pathlib import Path

from daemon.errors import ConfigError, Problem
from daemon.shipped import shipped


def config_file(given: Path | None) -> Path:
    """The one given, else ./config.yaml, else the shipped one."""
    if given is not None:
        if not given.is_file():
            raise ConfigError([Problem(str(given), 0, "there is no such file.", "Name one with --config.")])
        return given
    here = Path("config.yaml")
    return here if here.is_file() else shipped("config.yaml")
