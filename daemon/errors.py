"""The kinds of failure. Integrations translate a vendor's many errors into three, each with a reason.

Failure
├── Temporary    certainly not done; try again
├── Ambiguous    perhaps done; ask (`find`) before trying again
└── Permanent    certainly not done, and never will be as it stands
ConfigError      what the operator wrote; all problems at once
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta


class Failure(Exception):
    """A call to the outside failed. `reason` is a short word, a metric's label: `timeout`, `auth`, `rate_limited`."""

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason
        self.message = message


class Temporary(Failure):
    """Certainly not done. `after` is how long the vendor asked us to wait, if it did."""

    def __init__(self, reason: str, message: str = "", after: timedelta | None = None) -> None:
        super().__init__(reason, message)
        self.after = after


class Ambiguous(Failure):
    """Perhaps done: the answer was lost, cut, late or not understood. Find before retry."""


class Permanent(Failure):
    """Certainly not done, and doing the same again will fail the same way."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One mistake in what the operator wrote."""

    file: str
    line: int
    message: str
    hint: str = ""
    column: int = 0

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}:{self.column}" if self.column else f":{self.line}"
        return f"{place}: {self.message}" + (f" {self.hint}" if self.hint else "")


class ConfigError(Exception):
    """Everything that is wrong with configuration, policy or rules, all at once, in the order of the files."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(map(str, self.problems)))
