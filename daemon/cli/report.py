"""`heliograph report`: what was promised in a month, kept and missed; for a client, or of all of them for ourselves."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from daemon.cli.desk import kept_terms, setup_of, store_of
from daemon.errors import ConfigError, Problem
from daemon.marked_yaml import nearest
from daemon.report.month import Report, make, timezone_of
from daemon.report.month_data import as_csv, as_json
from daemon.report.month_page import month_page
from daemon.report.page import as_html, as_markdown
from daemon.report.span import Month, read_month
from daemon.sla.policy import Policy
from daemon.store import reports

ALL = "all"
FORMATS: Mapping[str, Callable[[Report], str]] = {
    "markdown": lambda report: as_markdown(month_page(report)),
    "html": lambda report: as_html(month_page(report)),
    "csv": as_csv,
    "json": as_json,
}
_SUFFIXES = {".md": "markdown", ".html": "html", ".htm": "html", ".csv": "csv", ".json": "json"}


def report(options: argparse.Namespace) -> int:
    """0 if it was made, whatever it says. Raises ConfigError if what was asked for makes no sense."""
    setup = setup_of(options)
    with store_of(setup) as store, store.read() as connection:
        now = store.now()
        policy = kept_terms(setup, connection, now).policy
        month = _asked(connection, policy, options, now)
        made = make(connection, policy, month, None if options.client == ALL else options.client, now)
    form = options.format or (_SUFFIXES.get(options.out.suffix.lower(), "markdown") if options.out else "markdown")
    _write(FORMATS[form](made), options.out)
    if made.summary.is_empty:
        print(f"nothing happened in {month} for {options.client}", file=sys.stderr)
    return 0


def _asked(connection: Connection, policy: Policy, options: argparse.Namespace, now: datetime) -> Month:
    """The month. Raises ConfigError with everything that is wrong with what was asked for."""
    problems = []
    known = {*policy.clients, *reports.clients(connection), ALL}
    if options.client not in known:
        hint = nearest(options.client, known) or f"There is {', '.join(sorted(known))}."
        problems.append(Problem("--client", 0, f"there is no client '{options.client}'.", hint))
    try:
        month = read_month(options.month)
    except ValueError as wrong:
        raise ConfigError([*problems, Problem("--month", 0, f"{wrong}.")]) from None
    zones = {timezone_of(policy, one) for one in (known if options.client == ALL else [options.client])}
    if all(now < month.span(zone).start for zone in zones):
        problems.append(Problem("--month", 0, f"{month} has not begun: it is {now:%Y-%m-%d %H:%M} UTC."))
    if problems:
        raise ConfigError(problems)
    return month


def _write(text: str, out: Path | None) -> None:
    if out is None:
        sys.stdout.write(text)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigError([Problem(str(out), 0, f"cannot write it: {error.strerror}.")]) from None
