"""The parts of a report that people write, between markers, and that are kept when the report is made again.

    <!-- write: cause -->
    The index was dropped with the migration.
    <!-- end -->

A file whose markers are broken is never written over: what somebody wrote could be lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from daemon.errors import ConfigError, Problem
from daemon.marked_yaml import nearest

_OPENS = re.compile(r"\s*<!--\s*write:\s*([a-z]+)\s*-->\s*")
_CLOSES = re.compile(r"\s*<!--\s*end\s*-->\s*")
_NEARLY = re.compile(r"<!-*\s*(?:write|end)\b|(?:^|\s)(?:write:\s*\w+|end)\s*-->", re.IGNORECASE)
"""What was a marker, or was meant to be one."""


def marked(name: str, text: str) -> str:
    return f"<!-- write: {name} -->\n{text.strip()}\n<!-- end -->"


def read(path: Path, names: Sequence[str]) -> Mapping[str, str]:
    """What people wrote into the file, by part; nothing where there is no file.

    Raises ConfigError with every marker that is broken, missing or doubled.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem(str(path), 0, f"cannot read it: {error}.")]) from None
    found: dict[str, str] = {}
    problems = list(_parts(str(path), text, names, found))
    problems += [] if problems else _missing(str(path), names, found)
    if problems:
        raise ConfigError(problems)
    return found


def _parts(file: str, text: str, names: Sequence[str], found: dict[str, str]) -> Iterator[Problem]:
    """Fills `found`; yields what is wrong."""
    name, since, part = "", 0, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        opens = _OPENS.fullmatch(line)
        if opens:
            if name:
                yield Problem(file, since, f"part '{name}' has no end.", "Put `<!-- end -->` below it.")
            elif opens[1] in found:
                yield Problem(file, number, f"part '{opens[1]}' stands here a second time.", "Join the two.")
            elif opens[1] not in names:
                hint = nearest(opens[1], names) or f"The parts are {', '.join(names)}."
                yield Problem(file, number, f"there is no part '{opens[1]}'.", hint)
            name, since, part = opens[1], number, []
        elif _CLOSES.fullmatch(line):
            if not name:
                yield Problem(file, number, "an end that ends nothing.", "Put `<!-- write: … -->` above its part.")
            else:
                found[name] = "\n".join(part).strip("\n")
            name = ""
        elif _NEARLY.search(line):
            yield Problem(
                file, number, "a marker that cannot be read.", "Write `<!-- write: cause -->` or `<!-- end -->` alone."
            )
        elif name:
            part.append(line)
    if name:
        yield Problem(file, since, f"part '{name}' has no end.", "Put `<!-- end -->` below it.")


def _missing(file: str, names: Sequence[str], found: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(
            file, 0, f"part '{name}' is gone.",
            f"Put `<!-- write: {name} -->` and `<!-- end -->` back around its text, or move the file away.",
        )
        for name in names
        if name not in found
    ]  # fmt: skip
