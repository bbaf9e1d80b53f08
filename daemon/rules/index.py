"""What a condition cannot hold without: the atoms by which a signal finds the few rules that it could meet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from daemon.model import Json
from daemon.rules.conditions import ON_TEXT, All, Any, Condition, Field, Not, exact_key, fold
from daemon.rules.paths import Path


@dataclass(frozen=True, slots=True)
class Seen:
    """A path, and how its values are seen: as they are or by their text, cased or folded."""

    path: Path
    loose: bool = False
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Exact:
    """Some value there has this key."""

    seen: Seen
    key: Json


@dataclass(frozen=True, slots=True)
class Text:
    """Some value there meets this operator of `ON_TEXT`."""

    seen: Seen
    operator: str
    operand: str
    any_case: bool = False
    """For a pattern, whose text is not folded."""


@dataclass(frozen=True, slots=True)
class Present:
    """Something other than null is there."""

    path: Path


Atom: TypeAlias = Exact | Text | Present
Demand: TypeAlias = frozenset[Atom]
"""At least one of these is so if the condition holds; empty for one that never does."""

_RANK = {Exact: 0, Text: 1, Present: 2}


def demands(condition: Condition) -> list[Demand]:
    """Every demand that can be read off a simplified condition; none if it may hold without any."""
    match condition:
        case Field():
            found = atoms(condition)
            return [frozenset({atom}) for atom in found] if condition.each else [frozenset(found)] if found else []
        case All(parts):
            return [demand for part in parts for demand in demands(part)]
        case Any(parts):
            branches = [demands(part) for part in parts]
            return [frozenset().union(*(min(each, key=_worth) for each in branches))] if all(branches) else []
        case _:
            return []


def atoms(field: Field) -> list[Atom]:
    """One for each operand, in their order; empty if the field can hold for a signal without it."""
    absent = field.operator == "exists" and field.operands[0] is False
    if field.negated or absent or (field.reference and not field.loose) or None in field.operands:
        return []
    if field.reference or field.operator not in ON_TEXT | {"equals"}:
        return [Present(field.path)]
    return [_atom(field, operand) for operand in field.operands]


def _atom(field: Field, operand: Json) -> Atom:
    folded = field.ignore_case and field.operator != "re"
    seen = Seen(field.path, field.loose, folded)
    operand = fold(operand) if folded else operand
    if field.operator == "equals":
        return Exact(seen, exact_key(operand))
    if not operand:
        return Present(field.path)
    return Text(seen, field.operator, operand, field.ignore_case and not folded)


def known(condition: Condition, atom: Atom) -> Condition:
    """The condition in a signal of which the atom is true; `All(())` if it holds there."""
    match condition:
        case Field(negated=False):
            return All(()) if _implied(condition, atom) else condition
        case Not(part):
            return Not(known(part, atom))
        case All(parts):
            left = tuple(each for part in parts if (each := known(part, atom)) != All(()))
            return left[0] if len(left) == 1 else All(left)
        case Any(parts):
            some = tuple(known(part, atom) for part in parts)
            return All(()) if All(()) in some else Any(some)
        case _:
            return condition


def _implied(field: Field, atom: Atom) -> bool:
    return not isinstance(atom, Present) and (not field.each or len(field.operands) == 1) and atom in atoms(field)


def _worth(demand: Demand) -> tuple[int, int]:
    """The less, the better."""
    return max((_RANK[type(atom)] for atom in demand), default=0), len(demand)


def choose(conditions: Mapping[int, Condition]) -> dict[Atom | None, list[int]]:
    """Each condition's number under every atom of one demand: the best kind, shared by the fewest. None: under none."""
    choices = {number: demands(condition) for number, condition in conditions.items()}
    popular = Counter(atom for options in choices.values() for atom in _distinct(options))
    places: dict[Atom | None, list[int]] = {}
    for number, options in choices.items():
        if not options:
            places.setdefault(None, []).append(number)
            continue
        for atom in min(options, key=lambda demand: (_worth(demand)[0], sum(popular[atom] for atom in demand))):
            places.setdefault(atom, []).append(number)
    return places


def _distinct(options: Sequence[Demand]) -> frozenset[Atom]:
    return frozenset().union(*options)
