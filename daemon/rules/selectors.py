"""Selectors: which incidents are meant, read and looked up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from daemon.errors import Problem
from daemon.marked_yaml import Mark, MarkedMap
from daemon.model import Json
from daemon.rules.model import Names, Rule
from daemon.rules.policy import FIELDS, GROUP, Inhibition, Maintenance, RulePolicy, Selector, matches
from daemon.rules.reader import Mistake, Reader, named, nearest, one_of, several, text


def selector(reader: Reader, value: Json, mark: Mark) -> Selector:
    """Which incidents are meant. What configuration or policy must know is looked up; rules are not read yet."""
    if value == "all":
        return Selector()
    if not isinstance(value, MarkedMap):
        hint = "Write {rule: sentry/*}, or all."
        raise Mistake(f"incidents are selected by a map of their fields, not {named(value)}.", hint)
    if not value:
        raise Mistake("this selects every incident.", "Write all, if that is meant.")
    lines = {str(key): _line(reader, str(key), value) for key in value if _is_field(reader, key, value.key_mark(key))}
    return Selector({key: globs for key, globs in lines.items() if globs})


def _line(reader: Reader, field: str, table: MarkedMap) -> tuple[str, ...]:
    def parse(reader: Reader, value: Json, mark: Mark) -> str:
        if isinstance(value, bool | dict | list | float) or value in (None, ""):
            raise Mistake(f"'{field}' is selected by a text in which * and ? may stand, not {named(value)}.")
        if wrong := unknown(field, str(value), known_values(field, reader.names)):
            raise Mistake(*wrong)
        return str(value)

    found: tuple[str, ...] = reader.attempt(several(parse), table[field], table.value_mark(field)) or ()
    return found


def known_values(field: str, names: Names) -> frozenset[str] | None:
    """What a field can be, as configuration and policy have it; None where that is not for them to say."""
    known: Mapping[str, Iterable[object]] = {
        "problem": names.problems,
        "source": names.types.union(names.sources.values()),
        "class": names.classes,
        "team": names.teams,
        "severity": names.severities,
    }
    return frozenset(map(str, known[field])) if field in known else None


def unknown(field: str, glob: str, known: Iterable[str] | None) -> tuple[str, str] | None:
    """What is wrong, and a hint, if the glob is for none of those known."""
    words = sorted(known or ())
    if known is None or any(matches(glob, value) for value in words):
        return None
    every = one_of("There is", words) if 0 < len(words) <= 12 else ""
    return f"no {field} is called '{glob}'.", nearest(glob, words) or every


def unknown_rules(policy: RulePolicy, rules: Iterable[Rule]) -> Iterator[Problem]:
    """Each rule that a selector names and that there is not: it would be waited for in vain."""
    ids = [rule.id for rule in rules]
    entries: list[Maintenance | Inhibition] = [*policy.maintenance, *policy.inhibitions]
    for entry in entries:
        selectors = (entry.hold, entry.source) if isinstance(entry, Inhibition) else (entry.hold,)
        for glob in (glob for each in selectors for glob in each.lines.get("rule", ())):
            if wrong := unknown("rule", glob, ids):
                yield Problem(entry.file, entry.line, f"{entry.name}: {wrong[0]}", wrong[1])


def _is_field(reader: Reader, key: Json, mark: Mark) -> bool:
    wrong = unknown_field(str(key))
    if wrong:
        reader.report(mark, *wrong)
    return wrong is None


def unknown_field(name: str) -> tuple[str, str] | None:
    """What is wrong, and a hint, if no incident has a field of that name."""
    if name in FIELDS or (name.startswith(GROUP) and len(name) > len(GROUP)):
        return None
    known = (*FIELDS, f"{GROUP}PART")
    return f"an incident has no field '{name}'.", nearest(name, known) or one_of("There is", known)


def field(reader: Reader, value: Json, mark: Mark) -> str:
    if wrong := unknown_field(text(reader, value, mark)):
        raise Mistake(*wrong)
    return str(value)
