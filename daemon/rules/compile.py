"""Many conditions made into one function of a signal's fields, which says which of them hold.

Conditions are found by what they demand (`daemon.rules.index`), and what is left of each is Python source
(`daemon.rules.emit`), compiled once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from daemon.model import Json
from daemon.rules.conditions import Condition, exact_key, fold, simplified
from daemon.rules.emit import Source
from daemon.rules.index import Atom, Exact, Present, Seen, Text, choose, known
from daemon.rules.paths import Fields, Path, values_at
from daemon.rules.regex import TextSet, as_pattern
from daemon.rules.text import scalar_text, text_of

Adds: TypeAlias = Callable[[Fields, list[int]], object]
"""Adds the numbers of those that hold to the list."""
Numbered: TypeAlias = Mapping[int, Condition]


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on looking up is cheaper than trying, by measurement."""

    few: int = 6
    """Up to so many conditions are tried one after another."""
    few_texts: int = 12
    """Up to so many texts are looked for one after another: the search for a set of them costs as much as that."""
    depth: int = 3
    """Look-ups within look-ups."""


class Program:
    """Says which of the conditions hold. Safe in several threads."""

    def __init__(self, conditions: Sequence[Condition], limits: Limits = Limits()) -> None:
        self._run = _node(dict(enumerate(map(simplified, conditions))), limits)

    def holding(self, fields: Fields) -> Sequence[int]:
        """The numbers of those that hold, ascending, each once."""
        hits: list[int] = []
        self._run(fields, hits)
        return sorted(set(hits)) if len(hits) > 1 else hits


@dataclass
class _Plan:
    """Which conditions to try for what stands in a signal."""

    exact: dict[Seen, dict[Json, Numbered]] = field(default_factory=dict)
    texts: dict[Seen, dict[Text, Numbered]] = field(default_factory=dict)
    present: dict[Path, dict[int, Condition]] = field(default_factory=dict)
    always: dict[int, Condition] = field(default_factory=dict)

    def place(self, atom: Atom | None, conditions: Numbered) -> None:
        left = {number: known(condition, atom) for number, condition in conditions.items()} if atom else conditions
        match atom:
            case Exact(seen, key):
                self.exact.setdefault(seen, {})[key] = left
            case Text(seen):
                self.texts.setdefault(seen, {})[atom] = left
            case Present(path):
                self.present.setdefault(path, {}).update(conditions)
            case None:
                self.always.update(conditions)


def _node(conditions: Numbered, limits: Limits) -> Adds:
    """Tries a few one by one; looks up which of many to try."""
    source = Source()
    if len(conditions) <= limits.few or not limits.depth:
        source.conditions(conditions)
    else:
        _dispatch(source, conditions, replace(limits, depth=limits.depth - 1))
    return source.build()


def _dispatch(source: Source, conditions: Numbered, limits: Limits) -> None:
    plan = _Plan()
    for atom, numbers in choose(conditions).items():
        plan.place(atom, {number: conditions[number] for number in numbers})
    for seen, places in plan.exact.items():
        _lookup(source, seen, {key: _node(left, limits) for key, left in places.items()})
    for seen, texts in plan.texts.items():
        _search(source, seen, texts, conditions, limits)
    for path, present in plan.present.items():
        with source.block(f"if {source.value(path)} is not None:"):
            source.conditions(present)
    source.conditions(plan.always)


def _lookup(source: Source, seen: Seen, places: Mapping[Json, Adds]) -> None:
    """By the exact value at a path."""
    value = source.value(seen.path)
    with source.block(f"if {value}.__class__ is str:"):
        source.line(f"found = {source.constant(places.get)}({value}{'.casefold()' if seen.folded else ''})")
        source.line("if found is not None: found(fields, hits)")
    source.line(f"elif {value} is not None: {source.constant(_lookup_odd(seen, places))}(fields, hits)")


def _lookup_odd(seen: Seen, places: Mapping[Json, Adds]) -> Adds:
    values = values_at(seen.path)

    def lookup(fields: Fields, hits: list[int]) -> None:
        for value in values(fields):
            compared = scalar_text(value) if seen.loose else value
            if compared is None or isinstance(compared, Mapping):
                continue
            if (found := places.get(exact_key(fold(compared) if seen.folded else compared))) is not None:
                found(fields, hits)

    return lookup


def _search(source: Source, seen: Seen, texts: Mapping[Text, Numbered], conditions: Numbered, limits: Limits) -> None:
    """By what is found in the text at a path."""
    found = _text_set(texts) if len(texts) > limits.few_texts else None
    if found is None:
        text = source.text(seen)
        with source.block(f"if {text} is not None:"):
            source.conditions({number: conditions[number] for left in texts.values() for number in left})
        return
    places = [_node(left, limits) for left in texts.values()]
    text = source.text(seen)
    with source.block(f"if {text}.__class__ is str:"):
        source.line(f"for n in {source.constant(found)}({text}): {source.constant(places)}[n](fields, hits)")
    source.line(f"elif {text} is not None: {source.constant(_search_odd(seen, found, places))}(fields, hits)")


def _text_set(texts: Mapping[Text, Numbered]) -> TextSet | None:
    patterns = [("(?i)" if text.any_case else "") + as_pattern(text.operator, text.operand) for text in texts]
    try:
        return TextSet(patterns)
    except ValueError:
        return None


def _search_odd(seen: Seen, found: TextSet, places: Sequence[Adds]) -> Adds:
    values = values_at(seen.path, lists=seen.loose)

    def search(fields: Fields, hits: list[int]) -> None:
        for value in values(fields):
            text = text_of(value) if seen.loose else value
            if isinstance(text, str):
                for number in found(fold(text) if seen.folded else text):
                    places[number](fields, hits)

    return search
