"""The rules folder: one file is one rule, its path is its id. All of it is taken, or none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from daemon.errors import ConfigError, Problem
from daemon.marked_yaml import Mark, parse
from daemon.rules.model import Names, Rule, RuleSet
from daemon.rules.policy import RulePolicy
from daemon.rules.read_rule import read_rule
from daemon.rules.reader import Reader, mark_of
from daemon.rules.resolve import resolve
from daemon.rules.selectors import unknown_rules
from daemon.rules.sigma_terms import SigmaTerms

_SUFFIXES = frozenset({".yaml", ".yml"})
_SIGMA = re.compile(r"""^["']?(detection|correlation|logsource)["']?\s*:""", re.MULTILINE)
"""A key at the top that Sigma has and we do not."""


def load(folder: Path, names: Names, policy: RulePolicy | None = None, sigma: SigmaTerms | None = None) -> RuleSet:
    """Every rule under the folder. Raises ConfigError with every problem of every file.

    `names` holds the problems and lists of `policy`.
    """
    if not folder.is_dir():
        raise ConfigError([Problem(str(folder), 0, "there is no such folder of rules.")])
    found: list[Rule] = []
    problems: list[Problem] = []
    theirs: list[tuple[str, str, str]] = []
    digest = hashlib.sha256()
    for path in rule_files(folder):
        named, shown = path.relative_to(folder).with_suffix("").as_posix(), shown_as(folder, path)
        try:
            content = path.read_bytes()
            digest.update(f"{named}\0{len(content)}\0".encode() + content)
            text = _text(content, shown)
            if is_sigma(text):
                theirs.append((named, text, shown))
            else:
                found.append(load_text(named, text, shown, names))
        except OSError as error:
            problems.append(Problem(shown, 0, f"this file cannot be read: {error.strerror}."))
        except ConfigError as error:
            problems += error.problems
    found += _sigma(theirs, names, sigma or SigmaTerms(), problems)
    rules = _by_id(found, problems)
    policy = policy or RulePolicy()
    resolved, between = resolve(rules, policy.problems)
    between += unknown_rules(policy, resolved)
    if problems or between:
        raise ConfigError(problems or between)  # a file that cannot be read would be missed by others
    return RuleSet(tuple(resolved), digest.hexdigest())


def is_sigma(text: str) -> bool:
    """Whether the file is written in Sigma's language."""
    return _SIGMA.search(text) is not None


def _sigma(files: list[tuple[str, str, str]], names: Names, terms: SigmaTerms, problems: list[Problem]) -> list[Rule]:
    if not files:
        return []
    from daemon.rules.sigma.read import File, read_rules

    rules, wrong = read_rules([File(*each) for each in files], names, terms)
    problems += wrong
    return rules


def _by_id(found: list[Rule], problems: list[Problem]) -> dict[str, Rule]:
    """In the order of their ids."""
    rules: dict[str, Rule] = {}
    for rule in sorted(found, key=lambda rule: (rule.id, rule.file)):
        if rule.id in rules:
            message = f"there is already a rule '{rule.id}', in {rules[rule.id].file}."
            problems.append(Problem(rule.file, rule.line, message))
        rules.setdefault(rule.id, rule)
    return rules


def load_text(id: str, content: str, file: str, names: Names) -> Rule:
    """One rule. Raises ConfigError with every problem of it."""
    value = parse(content, file)
    reader = Reader(names)
    rule = read_rule(reader, id, value, mark_of(value, Mark(file, 1, 1)))
    if rule is None:
        raise ConfigError(reader.problems)
    return rule


def rule_files(folder: Path) -> Iterator[Path]:
    """In the order of their ids; names that start with `_` or `.` are left alone, and so are folders so named."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part[0] in "_." for part in path.relative_to(folder).parts)
        if path.suffix in _SUFFIXES and path.is_file() and not hidden:
            yield path


def _text(content: bytes, shown: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigError([Problem(shown, line, "this file is not text in UTF-8.")]) from error


def shown_as(folder: Path, path: Path) -> str:
    """As an operator would name it: `rules/cloudtrail/root-use.yaml`."""
    return f"{folder.name}/{path.relative_to(folder).as_posix()}" if folder.name else path.as_posix()
