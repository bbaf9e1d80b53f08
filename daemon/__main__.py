"""The command line. Exit codes: 0 done, 1 not as it should be, 2 what the operator wrote is wrong."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from daemon.cli import WRONG
from daemon.errors import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    command = import_module(f"daemon.cli.{options.module}")
    try:
        code: int = getattr(command, options.function)(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return 130
    return code


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="heliograph",
        description="Watches Sentry, Datadog and AWS; opens tickets with SLA clocks; pages; files defects.",
        epilog="Start with `heliograph demo`: it needs no account and nothing leaves the machine.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _run(commands)
    _check(commands)
    _demo(commands)
    _rules(commands)
    _ticket(commands)
    _incident(commands)
    _silence(commands)
    return top


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    module: str,
    function: str,
    said: str,
    example: str = "",
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=said,
        description=said[0].upper() + said[1:] + ".",
        epilog=f"Example: {example}" if example else None,
    )
    command.set_defaults(module=module, function=function, chance=random.Random())
    return command


def _with_config(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("--config", type=Path, default=None, metavar="FILE", help="default: ./config.yaml")
    return command


def _run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _with_config(_add(commands, "run", "run", "run", "run the daemon", "heliograph run --log json"))
    command.add_argument("--log", choices=("plain", "json"), default="plain", help="how lines are logged")


def _check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = _with_config(
        _add(commands, "check", "check", "check", "check configuration, policy and rules; nothing is called")
    )
    check.add_argument("--json", action="store_true", help="for machines")
    doctor = _with_config(
        _add(commands, "doctor", "check", "doctor", "check, and try every vendor, the database and the clock")
    )
    doctor.add_argument("--json", action="store_true", help="for machines")


def _demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = _add(
        commands, "demo", "demo", "demo", "run against simulated vendors; nothing leaves the machine",
        "heliograph demo --fast --report report.json",
    )  # fmt: skip
    demo.add_argument("--fast", action="store_true", help="step the clock instead of waiting; exit 1 if not as told")
    demo.add_argument("--report", type=Path, metavar="FILE", help="write what happened, as JSON")
    demo.add_argument("--story", type=Path, metavar="FILE", help="play another story than the shipped one")
    demo.add_argument("--cloudtrail", type=Path, metavar="FOLDER", help="recorded CloudTrail files in place of a story")


def _rules(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = commands.add_parser("rules", help="test and check rules").add_subparsers(required=True, metavar="COMMAND")
    for name, said in (("test", "run the tests that rules carry"), ("check", "read rules; say what could be better")):
        command = _with_config(_add(group, name, "rules", name, said, f"heliograph rules {name} rules/sentry"))
        command.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="only rules under these")
        command.add_argument("--json", action="store_true", help="for machines")


def _ticket(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _on(commands, "ticket", ("acknowledge", "reply", "resolve", "close"))


def _incident(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    _on(commands, "incident", ("reply", "resolve"))


def _silence(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    group = commands.add_parser("silence", help="hold incidents back for a while")
    verbs = group.add_subparsers(required=True, metavar="COMMAND")
    example = 'heliograph silence add --rule "sentry/*" --group project=shop --for 2h --reason "The racks move."'
    add = _with_config(_add(verbs, "add", "silence", "add", "hold back the incidents that are meant", example))
    for field, said in (("rule", "ids of rules"), ("location", "locations"), ("severity", "severities")):
        add.add_argument(
            f"--{field}", action="append", metavar="GLOB", help=f"{said}; * and ? may stand in it; may be repeated"
        )
    add.add_argument("--group", action="append", metavar="PART=GLOB", help="a part of the incident's group")
    add.add_argument("--for", dest="lasts", required=True, metavar="LENGTH", help="30m, 2h, 7d; at most 30d")
    add.add_argument("--reason", required=True, help="why, for whoever misses the incidents")
    end = _with_config(
        _add(verbs, "end", "silence", "end", "end a silence before its time", "heliograph silence end 3")
    )
    end.add_argument("silence", type=int, metavar="SILENCE", help="its number, as `heliograph silence list` shows it")
    listing = _add(verbs, "list", "silence", "list_silences", "list silences, the first to end first")
    for command in (add, end, _with_config(listing)):
        command.add_argument("--json", action="store_true", help="for machines")
    for command in (add, end):
        command.add_argument("--as", dest="actor", metavar="NAME", help="whose it is; default: this user")


def _on(commands: argparse._SubParsersAction[argparse.ArgumentParser], noun: str, verbs: tuple[str, ...]) -> None:
    group = commands.add_parser(noun, help=f"list {noun}s, or act on one")
    verbs_of = group.add_subparsers(required=True, metavar="COMMAND")
    listing = _with_config(_add(verbs_of, "list", "desk", f"list_{noun}s", f"list {noun}s, open ones first"))
    listing.add_argument("--json", action="store_true", help="for machines")
    for verb in verbs:
        command = _with_config(_add(verbs_of, verb, "desk", "act", f"{verb} a {noun}" + _FOR_ALL.get((noun, verb), "")))
        command.set_defaults(noun=noun, verb=verb)
        command.add_argument("subject", metavar=noun.upper())
        command.add_argument("--as", dest="actor", metavar="NAME", help="who does it; default: this user")
        if verb in ("reply", "resolve"):
            command.add_argument("text", help="what the client is told")
        if (noun, verb) == ("ticket", "reply"):
            command.add_argument("--internal", action="store_true", help="a note among ourselves")


_FOR_ALL = {("incident", "reply"): ": on every ticket of it", ("incident", "resolve"): ": every ticket of it"}


if __name__ == "__main__":
    sys.exit(main())
