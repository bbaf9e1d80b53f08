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
    _explain(verbs)
    _test(verbs)
    _preview(verbs)


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


def _explain(verbs: Commands) -> None:
    command = _command(
        verbs, "explain", "explain", "say how the time of a ticket's clocks went, and why",
        "heliograph sla explain 7 --picture clocks.svg",
    )  # fmt: skip
    command.add_argument("ticket", type=int, metavar="TICKET", help="its number")
    _picture(command)


def _test(verbs: Commands) -> None:
    command = _command(
        verbs, "test", "promises", "test promises against worked examples", "heliograph sla test promises.yaml"
    )
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="worked examples: docs/sla.md")


def _preview(verbs: Commands) -> None:
    command = _command(
        verbs, "preview", "preview", "say which open tickets another configuration would move",
        "heliograph sla preview new/config.yaml",
    )  # fmt: skip
    command.add_argument("new", type=Path, metavar="NEW", help="a whole configuration")


def _picture(command: argparse.ArgumentParser) -> None:
    command.add_argument("--picture", type=Path, metavar="FILE", help="draw it into a file, as SVG")
