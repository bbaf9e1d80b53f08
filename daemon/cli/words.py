"""What every command on the command line has. It is imported at each start, so it imports next to nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(
    commands: Commands, name: str, module: str, function: str, said: str, example: str = ""
) -> argparse.ArgumentParser:
    """A command that is `function` of `daemon/cli/<module>.py`."""
    command = commands.add_parser(
        name,
        help=said,
        description=said[0].upper() + said[1:] + ".",
        epilog=f"Example: {example}" if example else None,
    )
    command.set_defaults(module=module, function=function)
    return command


def with_config(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--config", type=Path, default=None, metavar="FILE", help="default: ./config.yaml")
    return command
