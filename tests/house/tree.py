"""What the house's tests share: the tracked files, and the imports of a piece of Python."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tracked(*patterns: str) -> list[Path]:
    """The files that belong to the project, new ones that are not ignored among them, relative to its root."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return sorted(Path(line) for line in listing.stdout.splitlines() if (ROOT / line).is_file())


def python(*folders: str) -> list[Path]:
    return [path for path in tracked(*folders) if path.suffix == ".py"]


def parse(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of everything imported at any depth; `from a import b` is `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
