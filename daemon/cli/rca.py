"""`heliograph rca`: begins the report on a ticket's root cause, and brings it up to date without a word of it lost."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from daemon.cli.desk import kept_terms, setup_of, store_of
from daemon.errors import ConfigError, Problem
from daemon.report.rca import gather
from daemon.report.rca_page import HINTS, as_html, as_markdown, blocks, unwritten
from daemon.report.written import read


def rca(options: argparse.Namespace) -> int:
    """1 if there is no such ticket. Raises ConfigError, and writes nothing, if a marker in the file is broken."""
    name = f"rca-{options.ticket}-internal" if options.internal else f"rca-{options.ticket}"
    path = options.out / f"{name}.md"
    setup = setup_of(options)
    with store_of(setup) as store, store.read() as connection:
        now = store.now()
        policy = kept_terms(setup, connection, now).policy
        found = gather(connection, policy, options.ticket, now, internal=options.internal)
    if found is None:
        print(f"there is no ticket {options.ticket}", file=sys.stderr)
        return 1
    made = blocks(found, read(path, tuple(HINTS)))
    _replace(path, as_markdown(made))
    _replace(path.with_suffix(".html"), as_html(found, made))
    print(f"{path}\n{path.with_suffix('.html')}")
    todo = unwritten(made)
    if todo:
        print(f"still to be written: {', '.join(todo)}; then run this again", file=sys.stderr)
    return 0


def _replace(path: Path, text: str) -> None:
    """Whole or not at all: a full disk leaves what people wrote."""
    new = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, f"cannot write it: {error.strerror}.")]) from None
