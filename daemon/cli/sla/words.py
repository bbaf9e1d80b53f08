"""The words of `heliograph sla`."""

from __future__ import annotations

import argparse
from pathlib import Path

from daemon.cli.words import Commands, add, with_config


def sla(commands: Commands) -> None:
    group = commands.add_parser("sla", help="ask what was promised, test it, and see what a change would move")
    verbs = group.add_subparsers(required=True, metavar="COMMAND")
    _due(verbs)
    _coverage(verbs)


def _command(verbs: Commands, name: str, module: str, said: str, example: str) -> argparse.ArgumentParser:
    command = with_config(add(verbs, name, f"sla.{module}", name, said, example))
    command.add_argument("--json", action="store_true", help="for machines")
    return command


def _due(verbs: Commands) -> None:
    command = _command(
        verbs, "due", "due", "say when a ticket would be due", "heliograph sla due --client acme --severity 2"
    )
    whose = command.add_mutually_exclusive_group(required=True)
    whose.add_argument("--client", metavar="NAME", help="whose ticket it would be")
    whose.add_argument("--contract", metavar="NAME", help="any client's of this contract")
    command.add_argument("--severity", type=int, choices=(1, 2, 3, 4), required=True)
    command.add_argument("--goal", choices=("response", "resolution", "update"), help="only this one")
    command.add_argument(
        "--at", metavar="INSTANT", help="when it is reported: 2026-12-24T16:30, by the client's wall, or with an offset"
    )
    command.add_argument("--code-fix", action="store_true", help="its fix waits for the next minor release")


def _coverage(verbs: Commands) -> None:
    command = _command(
        verbs, "coverage", "coverage", "draw which site has the queue in each hour of a week",
        "heliograph sla coverage --week 2026-W49 --picture week.svg",
    )  # fmt: skip
    command.add_argument("--week", metavar="WEEK", help="such as 2026-W49; default: this one")
    command.add_argument("--strict", action="store_true", help="exit 1 if promised time counts while nobody is there")
    _picture(command)


def _picture(command: argparse.ArgumentParser) -> None:
    command.add_argument("--picture", type=Path, metavar="FILE", help="draw it into a file, as SVG")
