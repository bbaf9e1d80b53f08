"""The tree: what stands where, what each file may be called, and what no file may name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.house.tree import ROOT, parse, python, tracked

FIXED = ("daemon", "integrations", "rules", "tests", "config.yaml", "Dockerfile", "pyproject.toml")
BINARY = {".gz", ".png", ".ico", ".db"}
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc"}
LONGEST_FILE = 500
LOOSE_ENDS = re.compile(r"\b(TODO|FIXME|XXX)\b")

MACHINE = re.compile(r"(?<![\w.])/(?:home/\w+|root|work|mnt|Users/\w+|tmp)/")
"""A path that only one machine has. A test that needs such a folder takes `tmp_path`."""
REGISTRY = re.compile(r"(?i)\b(?:pypi\.org|pythonhosted|index-url|find-links|devpi|artifactory|nexus\.|\.whl\b)")
"""Where packages come from is a matter of the machine, never of the project."""
SAYS_SO = {"Makefile", "tests/house/test_tree.py", "requirements.lock"}
"""The Makefile names the switches that keep such hosts out of the locks."""
_SHORTEST_SENTENCE = 4
"""Words of a name that says what holds."""


def missing_halves(integrations: set[str], tests: set[str], pages: set[str]) -> list[str]:
    """Which of its three files an integration lacks, or which lack their integration."""
    every = integrations | tests | pages
    homes = (
        ("integrations/{}.py", integrations),
        ("tests/integrations/test_{}.py", tests),
        ("docs/integrations/{}.md", pages),
    )
    return sorted(path.format(name) for name in every for path, present in homes if name not in present)


def names(folder: str, prefix: str, suffix: str) -> set[str]:
    files = [path for path in tracked(folder) if path.parent == Path(folder) and path.name.startswith(prefix)]
    found = {path.name[len(prefix) : -len(suffix)] for path in files if path.suffix == suffix}
    return {name for name in found if not name.startswith("_")}  # no integration: what those of one vendor share


def strangers(path: str, text: str) -> list[str]:
    """Lines that name a machine or a registry."""
    lines = enumerate(text.splitlines(), 1)
    return [
        f"{path}:{number}: {line.strip()}" for number, line in lines if MACHINE.search(line) or REGISTRY.search(line)
    ]


def undocumented(path: Path, tree: ast.AST) -> list[str]:
    """Tests that do not say in a sentence what holds: by their name, or beneath it."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    tests = [node for node in functions if node.name.startswith("test_")]
    return [f"{path}:{test.lineno}: {test.name}" for test in tests if not _says(test)]


def _says(test: ast.FunctionDef) -> bool:
    words = test.name.removeprefix("test_").split("_")
    return len(words) >= _SHORTEST_SENTENCE or bool((ast.get_docstring(test) or "").strip())


def broad(path: Path, tree: ast.AST) -> list[str]:
    """`except` that takes everything, and does not raise it again."""
    handlers = [node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    wide = [one for one in handlers if one.type is None or ast.unparse(one.type) in {"Exception", "BaseException"}]
    return [f"{path}:{one.lineno}" for one in wide if not any(isinstance(node, ast.Raise) for node in ast.walk(one))]


def test_the_fixed_rooms_stand() -> None:
    """These names are promised to those who run and extend the daemon."""
    assert [] == [name for name in FIXED if not (ROOT / name).exists()]


def test_an_integration_is_three_files() -> None:
    """The code, its tests, and its page: no more to write, and none of them forgotten."""
    pages = names("docs/integrations", "", ".md")
    tests = names("tests/integrations", "test_", ".py") - {"contract"}

    assert [] == missing_halves(names("integrations", "", ".py"), tests, pages)


def test_no_file_has_a_vague_name() -> None:
    """What would go into a `utils` has a room of its own."""
    assert [] == [str(path) for path in python() if VAGUE & set(path.with_suffix("").parts)]


def test_no_file_is_too_long_to_read() -> None:
    """A file that outgrows this holds two subjects."""
    lengths = {
        str(path): len((ROOT / path).read_text().splitlines()) for path in python("daemon", "integrations", "lab")
    }

    assert {} == {path: length for path, length in lengths.items() if length > LONGEST_FILE}


def test_nothing_names_a_machine_or_a_registry() -> None:
    """A clone works anywhere, and its locks bind by hash alone."""
    files = [path for path in tracked() if path.suffix not in BINARY and path.as_posix() not in SAYS_SO]
    found = [line for path in files for line in strangers(path.as_posix(), (ROOT / path).read_text())]

    assert "" == "\n".join(found)


def test_the_locks_bind_by_hash_alone() -> None:
    """Each line is a package and its version, its condition, or one of its hashes."""
    line = re.compile(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==[\w.!+-]+( ; [^/:@]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    locks = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]

    assert [] == [text for lock in locks for text in lock.read_text().splitlines() if not line.fullmatch(text)]


def test_nothing_is_left_for_later() -> None:
    """What is owed stands in an issue, not in the code."""
    files = [path for path in python() if path.name != "test_tree.py"]

    assert [] == [str(path) for path in files if LOOSE_ENDS.search((ROOT / path).read_text())]


def test_every_test_says_what_holds() -> None:
    """In a sentence, which its name is, or has beneath it."""
    found = [line for path in python("tests") for line in undocumented(path, parse(path))]

    assert "" == "\n".join(found)


def test_one_except_takes_everything() -> None:
    """The loop that keeps a step alive, and the page that says something broke; nobody else may swallow."""
    found = [place for path in python("daemon", "integrations") for place in broad(path, parse(path))]
    allowed = ("daemon/worker.py:", "daemon/portal/")

    assert [] == [place for place in found if not place.startswith(allowed)]


def test_these_lints_can_fail() -> None:
    """Each of them finds what it is made to find."""
    bad = ast.parse("def test_x() -> None:\n    try:\n        pass\n    except Exception:\n        pass\n")
    missing = ["docs/integrations/x.md", "integrations/y.py", "tests/integrations/test_y.py"]

    assert missing == missing_halves({"x"}, {"x"}, {"y"})
    assert ["a.py:1: test_x"] == undocumented(Path("a.py"), bad)
    assert ["a.py:4"] == broad(Path("a.py"), bad)
    for line in ("/home/ann/x", "open('/tmp/x')", "--index-url y", "https://pypi.org/simple", "/root/y"):
        assert [f"a:1: {line}"] == strangers("a", line)
