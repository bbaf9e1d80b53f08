"""How pySigma tries a rule's regular expressions: as the engine will run them."""

from __future__ import annotations

from typing import Any

from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RegexEngine

from daemon.rules.regex import compiled


class _Ours(RegexEngine):
    """pySigma's own use of RE2 writes to standard error beside what it raises."""

    error = ValueError

    def compile(self, pattern: str, flags: int = 0) -> Any:
        """Flags change no pattern's validity; they are put before it when it is translated."""
        return compiled(pattern)


POLICY = SigmaPolicy(regex_engine=_Ours())
