"""What is installed is whole: the wheel carries what the program reads beside its code."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from daemon.shipped import shipped
from tests.house.tree import ROOT, tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_everything_that_the_program_reads(wheel: Path) -> None:
    """Code, rules, configuration, pages and stories alike."""
    inside = set(ZipFile(wheel).namelist())
    code = {path.as_posix() for path in tracked("daemon", "integrations", "lab")}
    read = [path for path in tracked("rules", "policy", "dashboards", "config.yaml") if "source" not in path.parts]
    data = {f"daemon/_shipped/{path.as_posix()}" for path in read}

    assert set() == (code | data) - inside


def test_a_wheel_finds_what_it_carries(wheel: Path, tmp_path: Path) -> None:
    """Unpacked far from any checkout, it reads its own rules."""
    ZipFile(wheel).extractall(tmp_path)
    code = "from daemon.shipped import shipped; print(shipped('config.yaml')); print(shipped('rules').is_dir())"
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"]
    said = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout.split()

    assert [str(tmp_path / "daemon/_shipped/config.yaml"), "True"] == said


def test_every_extra_is_named_where_one_looks_first_and_tested_here() -> None:
    """`pip install 'heliograph[NAME]'` stands in the README, and what it brings is among what tests run with."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    dev, readme = set(extras.pop("dev")), (ROOT / "README.md").read_text()

    assert [] == [name for name in extras if f"pip install 'heliograph[{name}]'" not in readme]
    assert [] == [needed for needs in extras.values() for needed in needs if needed not in dev]


def test_a_checkout_finds_them_beside_the_packages() -> None:
    """What one edits is what runs."""
    names = ("config.yaml", "rules", "policy", "dashboards")

    assert [ROOT / name for name in names] == [shipped(name) for name in names]
