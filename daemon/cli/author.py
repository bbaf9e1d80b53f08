"""`heliograph rules schema | new | explain`: what helps to write a rule."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from daemon import app, http
from daemon.cli import scaffold
from daemon.cli.recorded import Reader
from daemon.cli.show import console, plain
from daemon.cli.where import rules_of, what_may_be_named
from daemon.clock import SystemClock
from daemon.errors import ConfigError, Problem
from daemon.model import Json, Signal
from daemon.rules.explain import Explained, explain
from daemon.rules.model import Names, Rule
from daemon.rules.read_window import KINDS
from daemon.rules.reader import nearest, one_of
from daemon.rules.schema import policy_schema
from daemon.rules.schema import schema as rule_schema


def schema(options: argparse.Namespace) -> int:
    """Always 0: what the configuration names is in it."""
    _, names = what_may_be_named(options)
    made = policy_schema(names) if options.policy else rule_schema(names)
    print(json.dumps(made, indent=2, ensure_ascii=False))
    return 0


def new(options: argparse.Namespace) -> int:
    """0 if the file was written, 1 if there is one already."""
    config, names = what_may_be_named(options)
    examples = app.examples()
    source = options.source or options.id.partition("/")[0]
    type = names.sources.get(source, source)
    if type not in examples:
        raise ConfigError([Problem("--source", 0, f"there is no source type '{type}'.", one_of("There is", examples))])
    if options.window is not None and options.window not in KINDS:
        hint = nearest(options.window, KINDS) or one_of("The kinds are", KINDS)
        raise ConfigError([Problem("--window", 0, f"there is no window of kind '{options.window}'.", hint)])
    file = (config.rules / f"{options.id}.yaml").resolve()
    if not file.is_relative_to(config.rules.resolve()) or not scaffold.is_id(options.id):
        raise ConfigError([Problem(options.id, 0, "is no id.", _id_hint(options.id, config.rules.name))])
    written = scaffold.files(options.id, type, examples[type], options.window)
    paths = [(config.rules / f"{id}.yaml").resolve() for id in written]
    if there := [path for path in paths if path.exists()]:
        print(f"{there[0]} is there already, and was left as it is", file=sys.stderr)
        return 1
    file.parent.mkdir(parents=True, exist_ok=True)
    for path, text in zip(paths, written.values(), strict=True):
        with path.open("x") as out:
            out.write(text)
    if options.json:
        print(json.dumps({"rule": options.id, "file": str(file), "files": list(map(str, paths))}))
    else:
        print("\n".join(f"{path} is written." for path in paths), "Its tests hold.")
    return 0


def _id_hint(text: str, folder: str) -> str:
    """For whoever names the file."""
    id = text.removeprefix("./").removeprefix(f"{folder}/").removesuffix(".yaml")
    meant = f" Did you mean '{id}'?" if id != text and scaffold.is_id(id) else ""
    return f"An id is a path under the rules folder: aws/key-made.{meant}"


def explain_signal(options: argparse.Namespace) -> int:
    """0 if the rule matches the signal, 1 if not."""
    config, names = what_may_be_named(options)
    rules = rules_of(config, config.rules).by_id
    if options.rule not in rules:
        raise ConfigError([Problem(options.rule, 0, "there is no such rule.", nearest(options.rule, rules))])
    rule = rules[options.rule]
    if not rule.sources or rule.over:
        hint = f"It stands on {', '.join(step.rule for step in rule.over)}."
        raise ConfigError([Problem(options.rule, 0, "reads no signals itself.", hint)])
    found = [explain(rule, signal) for signal in _signals(options.signal, rule, names)]
    if options.json:
        trees = [one.to_json() for one in found]
        print(json.dumps(trees[0] if len(trees) == 1 else trees, indent=2, ensure_ascii=False))
    else:
        for one in found:
            console().print(tree(one))
    return 0 if any(one.holds for one in found) else 1


def _signals(word: str, rule: Rule, names: Names) -> list[Signal]:
    """What is recorded in it; a map that no integration knows is a signal's fields."""
    try:
        document = http.parse(sys.stdin.read() if word == "-" else Path(word).read_bytes())
    except OSError as error:
        raise ConfigError([Problem(word, 0, f"cannot be read: {error.strerror}.")]) from None
    except ValueError as error:
        raise ConfigError([Problem(word, 0, f"is not JSON: {error}.")]) from None
    source = rule.sources[0]
    type = names.sources.get(source, source)
    known = Reader(app.recordings(), {type: source}).document(document) or ()
    found = [one for one in known if isinstance(one, Signal)]
    if found or not isinstance(document, dict):
        return found or _nothing(word)
    return [_bare(document, source, type, rule)]


def _bare(fields: dict[str, Json], source: str, type: str, rule: Rule) -> Signal:
    kind = rule.kinds[0] if rule.kinds else ""
    return Signal(source=source, type=type, kind=kind, id="given", at=SystemClock().now(), fields=fields)


def _nothing(word: str) -> list[Signal]:
    raise ConfigError([Problem(word, 0, "holds no signal.", "Give a record as the vendor has it, or a map of fields.")])


def tree(of: Explained) -> Tree:
    """As a terminal shows it."""
    shown = Tree(_label(of))
    for part in of.parts:
        shown.add(tree(part))
    return shown


def _label(of: Explained) -> Text:
    mark = Text("✓ " if of.holds else "✗ ", style=("green" if of.holds else "red") if of.weighs else "dim")
    mark.append_text(plain(of.says))
    if of.saw is not None:
        seen = "  nothing is there" if not of.saw else f"  saw {', '.join(of.saw)}"
        mark.append(str(plain(seen)), style="dim")
    return mark
