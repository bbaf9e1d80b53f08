"""Files that these commands write."""

from __future__ import annotations

from pathlib import Path

from daemon.errors import ConfigError, Problem


def written(path: Path, text: str) -> None:
    """Raises ConfigError if it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, f"cannot be written: {error.strerror}.")]) from None
