"""The orders of the desk as commands: each field is an argument, each docstring the help."""

from __future__ import annotations

import argparse
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from daemon.desk.orders import ON_INCIDENT, ON_TICKET, Open, Order

Add: TypeAlias = Callable[[str, str, str], argparse.ArgumentParser]
"""Makes a command of its verb, what it does, and an example."""

_COMMON = frozenset(Order.model_fields)
_EXAMPLES = {
    "open": 'heliograph ticket open acme 2 "Carts are empty" --text "Since nine." --reporter lee@acme.example',
    "reply": 'heliograph ticket reply 7 "We are on it."',
    "severity": 'heliograph ticket severity 7 3 "The work-around removes the impact."',
    "plan-action": 'heliograph ticket plan-action 7 "Alert on disk space" --owner asha --due 2026-12-31',
    "excuse": 'heliograph ticket excuse 7 resolution "The client closed the firewall." --approver lena',
    "update": 'heliograph incident update 3k9x0a7c2m "It is the database." --severity 1',
}


def add_orders(add: Add, noun: str) -> None:
    table: Mapping[str, type[Order]] = ON_TICKET if noun == "ticket" else ON_INCIDENT
    if noun == "ticket":
        _command(add, noun, "open", Open)
    for verb, order in table.items():
        _command(add, noun, verb, order)


def _command(add: Add, noun: str, verb: str, order: type[Order]) -> None:
    said = (order.__doc__ or "").strip().removesuffix(".")
    command = add(verb, said[0].lower() + said[1:], _EXAMPLES.get(verb, ""))
    own = {name: field for name, field in order.model_fields.items() if name not in _COMMON}
    command.set_defaults(noun=noun, verb=verb, fields=frozenset({*own, "at", "request"}), subject="")
    if order is not Open:
        command.add_argument("subject", metavar=noun.upper())
    for name in order.words:
        command.add_argument(name, help=own[name].description, **_taken(own[name].annotation))
    for name, field in own.items():
        if name not in order.words:
            _option(command, name, field)
    command.add_argument("--as", dest="actor", metavar="NAME", help="who does it; default: this user")
    for name in ("at", "request"):
        _option(command, name, Order.model_fields[name])
    command.add_argument("--json", action="store_true", help="for machines")


def _option(command: argparse.ArgumentParser, name: str, field: FieldInfo) -> None:
    flag = f"--{name.rstrip('_').replace('_', '-')}"
    if field.annotation is bool:
        command.add_argument(flag, action="store_true", default=argparse.SUPPRESS, help=field.description)
        return
    taken = _taken(field.annotation)
    if "choices" not in taken:
        taken["metavar"] = {"at": "TIME", "due": "TIME", "request": "KEY"}.get(name, "VALUE")
    command.add_argument(
        flag, dest=name, default=argparse.SUPPRESS, required=field.is_required(), help=field.description, **taken
    )


def _taken(annotation: Any) -> dict[str, Any]:
    """How argparse reads a field of this type. What it does not know is text, and is read by the order."""
    for one in _plain(annotation):
        if isinstance(one, type) and issubclass(one, Enum):
            return {"choices": [each.value for each in one]}
        if get_origin(one) is Literal:
            return {"choices": list(get_args(one))}
        if one is int:
            return {"type": int}
    return {}


def _plain(annotation: Any) -> Iterator[Any]:
    """The types of a union, without what is annotated."""
    if get_origin(annotation) is Annotated:
        yield from _plain(get_args(annotation)[0])
    elif get_origin(annotation) in (types.UnionType, Union):
        for one in get_args(annotation):
            yield from _plain(one)
    else:
        yield annotation
