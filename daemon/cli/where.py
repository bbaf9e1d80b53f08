"""Which configuration a command works on."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from daemon import app
from daemon.config import load as configuration
from daemon.config.schema import Config
from daemon.errors import ConfigError, Problem
from daemon.rules.model import Names, RuleSet
from daemon.shipped import shipped


def config_file(given: Path | None) -> Path:
    """The one given, else ./config.yaml, else the shipped one."""
    if given is not None:
        if not given.is_file():
            raise ConfigError([Problem(str(given), 0, "there is no such file.", "Name one with --config.")])
        return given
    here = Path("config.yaml")
    return here if here.is_file() else shipped("config.yaml")


def what_may_be_named(options: argparse.Namespace) -> tuple[Config, Names]:
    """The configuration, and what rules may name by it; whether the rules can be used does not matter."""
    kinds = app.Kinds()
    config = configuration.load(config_file(options.config), os.environ, kinds, credentials=False)
    return config, app.names(config, kinds)


def rules_of(config: Config, folder: Path) -> RuleSet:
    """The rules of a folder, which need not be the configured one. Raises ConfigError with every problem of them."""
    return app.rules_of(config, app.Kinds(), folder)[0]
