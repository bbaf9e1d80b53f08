"""The command line. Exit codes: 0 done, 1 not as it should be, 2 what the operator wrote is wrong."""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from importlib import import_module
from pathlib import Path

from daemon.cli import WRONG
from daemon.cli.sla.words import sla
from daemon.cli.words import add as _add
from daemon.cli.words import with_config as _with_config
from daemon.contract import parse_duration
from daemon.errors import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    options = parser(words[0] if words else "").parse_args(words)
    command = import_module(f"daemon.cli.{options.module}")
    try:
        code: int = getattr(command, options.function)(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return WRONG
    except KeyboardInterrupt:
        return 130
    return code


def parser(asked: str | None = None) -> argparse.ArgumentParser:
    """Of everything; or, where it is known which command is `asked` for, without the depths of the others."""
    top = argparse.ArgumentParser(
        prog="heliograph",
        description="Watches Sentry, Datadog and AWS; opens tickets with SLA clocks; pages; files defects.",
        epilog="Start with `heliograph demo`: it needs no account and nothing leaves the machine.",
    )
    top.set_defaults(chance=random.Random())
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _run(commands)
    _check(commands)
    _demo(commands)
    _rules(commands)
    for noun in ("ticket", "incident"):
        _desk(commands, noun, orders=asked in (None, noun))
    _duty(commands)
    _why(commands)
    _silence(commands)
    sla(commands)
    _reports(commands)
    return top


def _run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _with_config(_add(commands, "run", "run", "run", "run the daemon", "heliograph run --log json"))
    command.add_argument("--log", choices=("plain", "json"), default="plain", help="how lines are logged")
    command.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="from which level on"
    )


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
    group = commands.add_parser("rules", help="write, test and check rules").add_subparsers(
        required=True, metavar="COMMAND"
    )
    for name, said in (
        ("test", "run the tests that rules carry"),
        ("check", "read rules; say what could be better"),
        ("list", "list rules, and what they cover"),
    ):
        command = _for_rules(group, name, "rules", said, f"heliograph rules {name} rules/sentry")
        command.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="only rules under these")
        if name == "check":
            command.add_argument("--strict", action="store_true", help="exit 1 if there is a warning")
            command.add_argument(
                "--recorded", type=Path, metavar="FOLDER", help="recordings that show which fields a source has"
            )
    schema = _for_rules(
        group, "schema", "author", "write a JSON Schema of rules or policy, for editors",
        "heliograph rules schema > rules.schema.json", as_json=False,
    )  # fmt: skip
    schema.add_argument("--policy", action="store_true", help="of the files under policy/")
    _new(group)
    _explain(group)
    _backtest(group)


def _for_rules(
    group: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    module: str,
    said: str,
    example: str,
    *,
    as_json: bool = True,
) -> argparse.ArgumentParser:
    function = {"list": "listing", "explain": "explain_signal"}.get(name, name)
    command = _with_config(_add(group, name, module, function, said, example))
    if as_json:
        command.add_argument("--json", action="store_true", help="for machines")
    return command


def _new(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _for_rules(
        group, "new", "author", "begin a rule, with tests that hold",
        "heliograph rules new cloudtrail/key-made --source cloudtrail --window count",
    )  # fmt: skip
    command.add_argument("id", metavar="ID", help="its path under the rules folder, without the suffix")
    command.add_argument("--source", metavar="TYPE", help="a source type; default: the id's first part")
    command.add_argument("--window", metavar="KIND", help="a kind of window; default: one signal is enough")


def _explain(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _for_rules(
        group, "explain", "author", "say why a rule matches a signal, or why not",
        "heliograph rules explain cloudtrail/root-use event.json",
    )  # fmt: skip
    command.add_argument("rule", metavar="RULE", help="its id")
    command.add_argument("signal", metavar="SIGNAL", help="a file, or - for what is piped in: a record, or its fields")


def _backtest(group: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = _for_rules(
        group, "backtest", "backtest", "say what rules would have found in what was recorded",
        "heliograph rules backtest cloudtrail/root-use trail/ --picture hits.svg",
    )  # fmt: skip
    command.add_argument(
        "words", nargs="*", metavar="RULE|FILE", help="rules by id or path; files, folders and patterns of recordings"
    )
    command.add_argument("--since", type=_length, metavar="LENGTH", help="read what is kept of --source instead: 30d")
    command.add_argument("--source", metavar="NAME", help="the configured source that the recordings are of")
    command.add_argument("--rules", type=Path, metavar="FOLDER", help="other rules than the configured ones")
    command.add_argument("--diff", type=Path, metavar="FOLDER", help="say what these rules would change")
    command.add_argument("--picture", type=Path, metavar="FILE", help="write hits over time, as SVG")


def _length(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _why(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    said = "say what rules did with an incident's signals, and why"
    command = _with_config(_add(commands, "explain", "why", "explain", said, "heliograph explain 3k9x0a7c2m"))
    command.add_argument("incident", metavar="INCIDENT", help="its id, as `heliograph incident list` shows it")
    command.add_argument("--json", action="store_true", help="for machines")


def _desk(commands: argparse._SubParsersAction[argparse.ArgumentParser], noun: str, orders: bool) -> None:
    """What can be ordered is read from the desk, which takes a moment: only where it is asked for."""
    group = commands.add_parser(noun, help=f"list {noun}s, or act on one")
    if not orders:
        return
    verbs = group.add_subparsers(required=True, metavar="COMMAND")
    listing = _with_config(_add(verbs, "list", "desk", f"list_{noun}s", f"list {noun}s, open ones first"))
    listing.add_argument("--json", action="store_true", help="for machines")
    if noun == "incident":
        listing.add_argument("--shadow", action="store_true", help="what rules in shadow would have opened")
    else:
        for name, values in (("client", None), ("state", _STATES), ("assignee", None), ("team", None)):
            listing.add_argument(f"--{name}", choices=values, metavar="NAME", help=f"only of this {name}")
        listing.add_argument("--severity", type=int, choices=(1, 2, 3, 4), help="only of this severity")
        show = _with_config(_add(verbs, "show", "ticket", "show_ticket", "show a ticket: clocks and log"))
        show.add_argument("ticket", type=int, metavar="TICKET")
        show.add_argument("--json", action="store_true", help="for machines")
    add = partial(_order, verbs)
    import_module("daemon.cli.orders").add_orders(add, noun)


_STATES = ("new", "in_progress", "awaiting_client", "awaiting_fix", "resolved", "closed", "cancelled")


def _order(
    verbs: argparse._SubParsersAction[argparse.ArgumentParser], verb: str, said: str, example: str
) -> argparse.ArgumentParser:
    return _with_config(_add(verbs, verb, "desk", "act", said, example))


def _duty(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    duty = _with_config(_add(commands, "duty", "duty", "duty", "say which site has the queue, and who is on call"))
    group = commands.add_parser("handover", help="what a site hands over to the next").add_subparsers(
        required=True, metavar="COMMAND"
    )
    listing = _with_config(_add(group, "list", "duty", "list_handovers", "list handovers, newest first"))
    shown = _with_config(_add(group, "show", "duty", "show_handover", "show one, with what stood open then"))
    example = 'heliograph handover note 3 "Globex calls back at ten."'
    noted = _with_config(_add(group, "note", "duty", "act", "tell the next site what it should know", example))
    taken = _with_config(_add(group, "acknowledge", "duty", "act", "say that the next site has read it"))
    for command in (duty, listing, shown, noted, taken):
        command.add_argument("--json", action="store_true", help="for machines")
    for command in (shown, noted, taken):
        command.add_argument("handover", type=int, metavar="HANDOVER", help="its number")
    noted.add_argument("text", help="what it should know")
    for verb, command in (("note", noted), ("acknowledge", taken)):
        command.set_defaults(verb=verb)
        command.add_argument("--as", dest="actor", metavar="NAME", help="who does it; default: this user")


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


def _reports(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    example = "heliograph report --client acme --month 2026-11 --out acme.html"
    month = _with_config(
        _add(commands, "report", "report", "report", "say what was kept and missed in a month", example)
    )
    month.add_argument("--client", required=True, metavar="CLIENT", help="whose; `all` for everybody's")
    month.add_argument("--month", required=True, metavar="MONTH", help="2026-11, in the client's time zone")
    month.add_argument(
        "--format", choices=("markdown", "html", "csv", "json"), help="default: by the file's name, else markdown"
    )
    month.add_argument("--out", type=Path, metavar="FILE", help="write it there instead of showing it")
    said = "begin the report on a ticket's root cause, or bring it up to date"
    rca = _with_config(_add(commands, "rca", "rca", "rca", said, "heliograph rca 7 --out reports"))
    rca.add_argument("ticket", type=int, metavar="TICKET")
    rca.add_argument("--out", type=Path, default=Path(), metavar="FOLDER", help="where rca-7.md and rca-7.html stand")
    rca.add_argument("--internal", action="store_true", help="with our notes, as rca-7-internal: not for the client")


if __name__ == "__main__":
    sys.exit(main())
