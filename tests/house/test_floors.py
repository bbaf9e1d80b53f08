"""Who may import whom. The floors themselves stand in pyproject.toml, for import-linter."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.house.tree import ROOT, imports, parse, python

INTEGRATIONS_MAY = {"contract", "model", "http", "errors", "secret"}

VENDORS = {
    "boto3": "_aws",
    "botocore": "_aws",
    "datadog_api_client": "_datadog",
    "jira": "jira",
    "pdpyras": "pagerduty",
}
"""A vendor's library → the one file of integrations/ that may import it."""


def above(tree: ast.AST) -> list[str]:
    """What an integration takes of the daemon beyond what it may."""
    names = [name.split(".") for _, name in imports(tree)]
    return sorted(".".join(name) for name in names if name[0] == "daemon" and name[1] not in INTEGRATIONS_MAY)


def strange_vendors(path: Path, tree: ast.AST) -> list[str]:
    """Vendors' libraries that `path` imports and that are not its own."""
    own = path.stem if path.parent == Path("integrations") else None
    tops = {name.split(".")[0] for _, name in imports(tree)}
    return sorted(top for top in tops & VENDORS.keys() if VENDORS[top] != own)


def at_import(tree: ast.Module) -> list[str]:
    """Vendors' libraries imported as soon as the file is."""
    typing_only = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    body = ast.Module([node for node in tree.body if node not in typing_only], [])
    inside = {name for node in ast.walk(body) if isinstance(node, ast.FunctionDef) for name in imports(node)}
    return sorted(name for line, name in imports(body) if (line, name) not in inside and name.split(".")[0] in VENDORS)


def lint(*, cwd: Path, config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", str(config)]
    return subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)


def test_every_file_imports_lower_floors_only() -> None:
    """import-linter keeps the contracts of pyproject.toml."""
    result = lint(cwd=ROOT, config=ROOT / "pyproject.toml")

    assert 0 == result.returncode, result.stdout + result.stderr


def test_the_floors_can_fail(tmp_path: Path) -> None:
    """A model that imports the pipeline, and an integration that takes what is another vendor's, are caught by the
    very contracts that we ship."""
    for package in ("daemon", "integrations", "lab"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    for name in ("app", "__main__", "contract", "model", "errors", "clock", "secret", "pipeline"):
        (tmp_path / "daemon" / f"{name}.py").touch()
    (tmp_path / "daemon" / "cli").mkdir()
    for name in ("__init__", "demo"):
        (tmp_path / "daemon" / "cli" / f"{name}.py").touch()
    (tmp_path / "daemon" / "model.py").write_text("import daemon.pipeline\n")
    (tmp_path / "integrations" / "_aws.py").touch()
    (tmp_path / "integrations" / "sentry.py").write_text("import integrations._aws\n")

    result = lint(cwd=tmp_path, config=ROOT / "pyproject.toml")

    assert "daemon.model -> daemon.pipeline" in result.stdout
    assert "integrations.sentry -> integrations._aws" in result.stdout
    assert 1 == result.returncode


def test_integrations_know_five_files_of_the_daemon() -> None:
    """Contract, model, http, errors and secret: never the store, never the time."""
    assert {} == {str(path): bad for path in python("integrations") if (bad := above(parse(path)))}


def test_a_vendors_library_is_imported_by_its_integration_alone() -> None:
    """Whoever replaces a library changes one file."""
    files = python("daemon", "integrations", "lab")

    assert {} == {str(path): bad for path in files if (bad := strange_vendors(path, parse(path)))}


def test_a_vendors_library_is_not_imported_before_it_is_used() -> None:
    """A vendor that is switched off costs neither time nor memory, and may be absent."""
    assert {} == {str(path): bad for path in python("integrations") if (bad := at_import(parse(path)))}


def test_these_lints_can_fail() -> None:
    """Each of them finds what it is made to find."""
    bad = ast.parse("from daemon.store import schema\nimport boto3\ndef f() -> None:\n    import jira\n")

    assert ["daemon.store.schema"] == above(bad)
    assert ["boto3"] == strange_vendors(Path("integrations/jira.py"), bad)
    assert ["boto3", "jira"] == strange_vendors(Path("daemon/app.py"), bad)
    assert ["boto3"] == at_import(bad)
