"""What comes with the program beside its code: `config.yaml`, `rules`, `policy`, `dashboards`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped(name: str) -> Path:
    """Where `name` stands: inside the package in a wheel (pyproject.toml puts it there), beside it in a checkout."""
    package = Path(str(files("daemon")))
    packed = package / "_shipped" / name
    return packed if packed.exists() else package.parent / name
