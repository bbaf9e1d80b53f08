"""Why a rule matches a signal, or why not: every line of it with the values that it saw. It agrees with the engine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from daemon.model import Json, Polarity, Signal
from daemon.rules.conditions import All, Any, Condition, Field, Not, compile_condition
from daemon.rules.model import Rule
from daemon.rules.paths import Fields, values_at
from daemon.rules.template import clean

LONGEST_VALUE = 120
MOST_VALUES = 10


@dataclass(frozen=True, slots=True)
class Explained:
    """One line, and what it is made of."""

    says: str
    holds: bool
    saw: tuple[str, ...] | None = None
    """The values there, as JSON, short and fit for a terminal; empty: there was none. None: it looks at no field."""
    parts: tuple[Explained, ...] = ()
    weighs: bool = True
    """False: it is told beside, and the whole does not hang on it."""

    def to_json(self) -> dict[str, Json]:
        said: dict[str, Json] = {"says": self.says, "holds": self.holds}
        if self.saw is not None:
            said["saw"] = list(self.saw)
        if self.parts:
            said["parts"] = [part.to_json() for part in self.parts]
        return said if self.weighs else {**said, "weighs": False}


def explained(document: Json) -> Explained:
    """What `to_json` wrote."""
    return Explained(
        says=document["says"],
        holds=document["holds"],
        saw=tuple(document["saw"]) if "saw" in document else None,
        parts=tuple(explained(part) for part in document.get("parts", ())),
        weighs=document.get("weighs", True),
    )


def explain(rule: Rule, signal: Signal) -> Explained:
    """Holds exactly if the rule takes the signal for trouble; windows, and what is open, are not asked."""
    fields = signal.fields
    parts = [
        Explained(f"source: {', '.join(rule.sources)}", _is_heard(rule, signal), _shown([signal.source, signal.type])),
        *(
            [Explained(f"kind: {', '.join(rule.kinds)}", signal.kind in rule.kinds, _shown([signal.kind]))]
            * bool(rule.kinds)
        ),
        Explained(
            "polarity: not recovered", signal.polarity is not Polarity.RECOVERED, _shown([signal.polarity.value])
        ),
        _named("match", explain_condition(rule.condition, fields)),
    ]
    if rule.exception is not None:
        excepted = explain_condition(rule.exception, fields)
        parts.append(Explained("unless", not excepted.holds, parts=(excepted,)))
    return Explained(rule.id, all(part.holds for part in parts), parts=(*parts, *_beside(rule, fields)))


def explain_condition(condition: Condition, fields: Fields) -> Explained:
    """Holds exactly if the compiled condition does."""
    match condition:
        case All((part,)) | Any((part,)):
            return explain_condition(part, fields)
        case All(parts):
            every = tuple(explain_condition(part, fields) for part in parts)
            return Explained("all of", all(part.holds for part in every), parts=every)
        case Any(parts):
            some = tuple(explain_condition(part, fields) for part in parts)
            return Explained("any of", any(part.holds for part in some), parts=some)
        case Not(part):
            inner = explain_condition(part, fields)
            return Explained("none of", not inner.holds, parts=(inner,))
        case Field():
            return Explained(_line(condition), compile_condition(condition)(fields), _saw(condition, fields))
    return Explained(_cut(str(condition)), compile_condition(condition)(fields))


def _is_heard(rule: Rule, signal: Signal) -> bool:
    return signal.source in rule.sources or signal.type in rule.sources


def _named(name: str, found: Explained) -> Explained:
    return Explained(name, found.holds, parts=found.parts if found.says == "all of" else (found,))


def _beside(rule: Rule, fields: Fields) -> Iterable[Explained]:
    for each in rule.raises:
        found = explain_condition(each.condition, fields)
        yield Explained(f"raise to {each.to}", found.holds, parts=(found,), weighs=False)
    if rule.clear.match is not None:
        found = explain_condition(rule.clear.match, fields)
        yield Explained("clear", found.holds, parts=(found,), weighs=False)


def _line(field: Field) -> str:
    """As it would be written in a rule."""
    flags = (("not", field.negated), ("all", field.each), ("i", field.ignore_case), ("fieldref", field.reference))
    operator = [] if field.operator == "equals" else [field.operator]
    key = "|".join([str(field.path), *operator, *(name for name, is_set in flags if is_set)])
    operands = _shown(field.operands)
    return f"{key}: {operands[0] if len(operands) == 1 else '[' + ', '.join(operands) + ']'}"


def _saw(field: Field, fields: Fields) -> tuple[str, ...]:
    return _shown(values_at(field.path)(fields))


def _shown(values: Iterable[Json]) -> tuple[str, ...]:
    """The first of them, and that there are more."""
    every = list(values)
    shown = tuple(_cut(_written(value)) for value in every[:MOST_VALUES])
    return shown if len(every) <= MOST_VALUES else (*shown, f"… {len(every) - MOST_VALUES} more")


def _written(value: Json) -> str:
    """A text that reads as nothing else stands without quotes."""
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, str):
        plain = value[: LONGEST_VALUE + 1]
        return json.dumps(plain, ensure_ascii=False) if _looks_otherwise(plain) else plain
    return json.dumps(value, ensure_ascii=False, default=str)


def _looks_otherwise(text: str) -> bool:
    return text in ("", "true", "false", "null") or text[0] in '"[{-+.0123456789 ' or text[-1] == " "


def _cut(text: str) -> str:
    cleaned = clean(text)
    return cleaned if len(cleaned) <= LONGEST_VALUE else cleaned[: LONGEST_VALUE - 1] + "…"
