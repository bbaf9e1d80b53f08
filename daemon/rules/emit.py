"""Conditions written as Python source: the plain case by itself, all else by a call.

The plain case is a text at the end of maps, or nothing there. No name and no operand stands in the source; they are
constants handed to it. A local variable holds what stands at a path: None for missing or null, `ODD` for what a list
on the way has to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from daemon.model import Json
from daemon.rules.conditions import ON_TEXT, All, Any, Condition, Field, Not, compile_simple, fold, prepare
from daemon.rules.index import Seen
from daemon.rules.paths import Fields, Path
from daemon.rules.text import text_of

ODD = object()
_DEEPEST_BLOCK = 12
"""Python refuses more than a hundred."""
_DEEPEST_EXPRESSION = 12
_MANY = 8


def _text_or_odd(value: Json) -> Json:
    return ODD if isinstance(value, list) or value is ODD else text_of(value)


class Source:
    """One function of `fields` and `hits`, line by line."""

    def __init__(self) -> None:
        self._lines = ["def run(fields, hits):", " get = fields.get; add = hits.append"]
        self._constants: dict[str, object] = {"ODD": ODD, "TEXT": _text_or_odd}
        self._known: dict[object, str] = {}
        """What a local variable holds already where the next line will stand."""
        self._indent = 1

    @property
    def written(self) -> str:
        return "\n".join(self._lines)

    def build(self) -> Callable[[Fields, list[int]], object]:
        exec(compile(self.written, "<rules>", "exec"), self._constants)  # noqa: S102  nobody's text is in it
        run: Callable[[Fields, list[int]], object] = self._constants["run"]  # type: ignore[assignment]
        return run

    def line(self, text: str) -> None:
        self._lines.append(" " * self._indent + text)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        self.line(header)
        before = dict(self._known)
        self._indent += 1
        yield
        self._indent -= 1
        self._known = before

    def constant(self, value: object) -> str:
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name

    def _local(self, key: object, expression: Callable[[], str]) -> str:
        if key not in self._known:
            said = expression()
            name = f"v{len(self._lines)}"
            self.line(f"{name} = {said}")
            self._known[key] = name
        return self._known[key]

    def value(self, path: Path) -> str:
        """The variable with what stands at the path."""

        def expression() -> str:
            name = self.constant(path.names[-1])
            if len(path.names) == 1:
                return f"get({name})"
            above = self.value(Path(path.names[:-1]))
            return f"{above}.get({name}) if {above}.__class__ is dict else None if {above} is None else ODD"

        return self._local(path, expression)

    def text(self, seen: Seen) -> str:
        """The variable with the text there."""
        if seen.folded:
            cased = self.text(Seen(seen.path, seen.loose))
            return self._local(seen, lambda: f"{cased}.casefold() if {cased}.__class__ is str else {cased}")
        value = self.value(seen.path)
        if not seen.loose:
            return value
        return self._local(seen, lambda: f"{value} if {value} is None or {value}.__class__ is str else TEXT({value})")

    def conditions(self, conditions: Mapping[int, Condition]) -> None:
        """Adds the numbers of those that hold. What several ask first is asked once."""
        self._group([(number, _parts(condition)) for number, condition in conditions.items()])

    def _group(self, rules: list[tuple[int, dict[str, Condition]]]) -> None:
        while rules:
            number, parts = rules[0]
            if not parts:
                self.line(f"add({number})")
                rules = rules[1:]
                continue
            key = next(iter(parts))
            inner = [(number, _without(parts, key)) for number, parts in rules if key in parts]
            rules = [rule for rule in rules if key not in rule[1]]
            self._asked(parts[key], inner)

    def _asked(self, part: Condition, inner: list[tuple[int, dict[str, Condition]]]) -> None:
        test = self.test(part)
        if self._indent > _DEEPEST_BLOCK:
            inner = [(number, {"": All(tuple(parts.values()))} if parts else {}) for number, parts in inner]
        with self.block(f"if {test}:"):
            self._group(inner)

    def test(self, condition: Condition, depth: int = 0) -> str:
        """An expression of whether it holds, its variables made ready before the line that is to come."""
        if depth > _DEEPEST_EXPRESSION:
            return self._call(condition)
        match condition:
            case Field():
                positive = self._field(condition)
                return f"(not {positive})" if condition.negated else positive
            case Not(part):
                return f"(not {self.test(part, depth + 1)})"
            case All(parts):
                return f"({' and '.join(self.test(part, depth + 1) for part in parts) or True})"
            case Any(parts):
                return f"({' or '.join(self.test(part, depth + 1) for part in parts) or False})"
            case _:
                return self._call(condition)

    def _call(self, condition: Condition) -> str:
        return f"{self.constant(compile_simple(condition))}(fields)"

    def _field(self, field: Field) -> str:
        """Of the field, as if it were not negated."""
        positive = Field(
            field.path,
            field.operator,
            field.operands,
            field.each,
            False,
            field.ignore_case,
            field.reference,
            field.loose,
        )
        if field.reference or None in field.operands:
            return self._call(positive)
        if field.operator == "exists":
            return self._exists(positive)
        if field.operator == "equals" and not field.each:
            return self._equals(positive)
        if field.operator in ON_TEXT:
            seen = Seen(field.path, field.loose, field.ignore_case and field.operator != "re")
            text = self.text(seen)
            return self._plainly(text, self._on_text(positive, text, folded=seen.folded), positive)
        value = self.value(field.path)
        return f"({value} is not None and {self._call(positive)})"

    def _plainly(self, variable: str, test: str, field: Field) -> str:
        return f"({test} if {variable}.__class__ is str else {variable} is not None and {self._call(field)})"

    def _exists(self, field: Field) -> str:
        value = self.value(field.path)
        there = f"({value} is not None and ({value}.__class__ is str or {value}.__class__ is dict or {{}}))"
        positive = Field(field.path, "exists", (True,))
        return (
            there.format(self._call(positive)) if field.operands[0] else f"(not {there.format(self._call(positive))})"
        )

    def _equals(self, field: Field) -> str:
        value = self.value(field.path)
        texts = [fold(each) if field.ignore_case else each for each in field.operands if isinstance(each, str)]
        seen = f"{value}.casefold()" if field.ignore_case else value
        if len(texts) == 1:
            return self._plainly(value, f"{seen} == {self.constant(texts[0])}", field)
        return self._plainly(value, f"{seen} in {self.constant(frozenset(texts))}", field)

    def _on_text(self, field: Field, text: str, *, folded: bool) -> str:
        operands = [fold(each) if folded else each for each in field.operands]
        joint = " and " if field.each else " or "
        if field.operator in {"startswith", "endswith"} and not field.each:
            return f"{text}.{field.operator}({self.constant(tuple(operands))})"
        if len(operands) > _MANY:
            quantifier = all if field.each else any
            tests = [prepare(field.operator, operand, field.ignore_case) for operand in field.operands]
            return f"{self.constant(lambda value: quantifier(test(value) for test in tests))}({text})"
        return f"({joint.join(self._one_on_text(field, text, operand) for operand in operands)})"

    def _one_on_text(self, field: Field, text: str, operand: Json) -> str:
        """Of an operand that is folded already, where the field folds."""
        if field.operator == "contains":
            return f"{self.constant(operand)} in {text}"
        if field.operator in {"startswith", "endswith"}:
            return f"{text}.{field.operator}({self.constant(operand)})"
        return f"{self.constant(prepare(field.operator, operand, field.ignore_case))}({text})"


def _parts(condition: Condition) -> dict[str, Condition]:
    """What must all hold, by a text that only equals have in common, the cheap before the dear."""
    flat = list(_flat(condition))
    return {repr(part): part for part in sorted(flat, key=_cost)}


def _flat(condition: Condition) -> Iterator[Condition]:
    if isinstance(condition, All):
        for part in condition.parts:
            yield from _flat(part)
    else:
        yield condition


def _without(parts: Mapping[str, Condition], key: str) -> dict[str, Condition]:
    return {each: part for each, part in parts.items() if each != key}


def _cost(condition: Condition) -> int:
    match condition:
        case Field(reference=True):
            return 40
        case Field(operator=operator):
            return {"equals": 1, "exists": 1, "startswith": 2, "endswith": 2, "contains": 3, "re": 20, "glob": 20}.get(
                operator, 10
            )
        case Not(part):
            return _cost(part)
        case All(parts) | Any(parts):
            return sum(map(_cost, parts))
        case _:
            return 100
