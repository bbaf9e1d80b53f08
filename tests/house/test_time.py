"""Time, chance and the outside are handed in, so that a simulation can hold them; and some calls are never safe."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.tree import imports, parse, python

READS_TIME = {"daemon/clock.py"}
MAKES_CHANCE = {"daemon/__main__.py", "daemon/app.py"}
"""Where the seams are filled for a real run: the only files that may seed a generator or draw a random id."""
WAITS = {"daemon/worker.py", "daemon/__main__.py"}
CALLS_OUTSIDE = {"daemon/http.py"}
MAKES_CODE = {("daemon/rules/emit.py", "exec"), ("daemon/rules/emit.py", "compile")}
"""Rules become functions here. tests/rules/test_compile.py holds that no text of an operator's is in their source."""

CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now"}
CHANCE = {"uuid", "secrets", "os.urandom"}
NEVER = {"eval", "exec", "compile", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen"}
NEVER_IMPORTED = {"pickle", "marshal", "shelve", "dill"}
NEVER_PASSED = {("shell", True), ("verify", False)}


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a name or of attributes of one; empty for any other expression."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""


def seam(path: str, name: str) -> str:
    """Why `path` may not call `name`; empty if it may."""
    top = name.split(".")[0]
    if path not in READS_TIME and (name in CLOCKS or (name.startswith("time.") and name != "time.sleep")):
        return "reads the time"
    if name.endswith("time.sleep") and path not in WAITS:
        return "sleeps"
    if path not in MAKES_CHANCE and (top in CHANCE or name in CHANCE or (top == "random" and name != "random.Random")):
        return "draws by chance"
    if path not in MAKES_CHANCE and name == "random.Random":
        return "makes a generator"
    return "is never safe" if name in NEVER and (path, name) not in MAKES_CODE else ""


def aliases(tree: ast.AST) -> dict[str, str]:
    """Local name → where it comes from, so that `from time import monotonic as m` hides nothing."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    found = {a.asname or a.name: f"{node.module}.{a.name}" for node in froms for a in node.names}
    found |= {a.asname: a.name for node in plain for a in node.names if a.asname}
    return {name: origin.removeprefix("datetime.") for name, origin in found.items()}


def fixed(call: ast.Call) -> bool:
    """Whether the pattern of a call to `re` is ours, and no operator's; `re.escape` takes none."""
    return dotted(call.func) == "re.escape" or (bool(call.args) and isinstance(call.args[0], ast.Constant))


def bad_calls(path: str, tree: ast.AST) -> list[str]:
    known = aliases(tree)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    found = []
    for call in calls:
        head, _, rest = dotted(call.func).partition(".")
        name = ".".join(filter(None, [known.get(head, head), rest]))
        if why := seam(path, name):
            found.append(f"{path}:{call.lineno}: {name} {why}")
        if path.startswith("daemon/rules/") and name.startswith("re.") and not fixed(call):
            found.append(f"{path}:{call.lineno}: {name} takes a pattern that could hang: use RE2")
        for word in call.keywords:
            if isinstance(word.value, ast.Constant) and (word.arg, word.value.value) in NEVER_PASSED:
                found.append(f"{path}:{call.lineno}: {word.arg}={word.value.value!r} is never safe")
    return found


def bad_imports(path: str, tree: ast.AST) -> list[str]:
    own_calls = path in CALLS_OUTSIDE or path.startswith("integrations/")
    found = []
    for line, name in imports(tree):
        top = name.split(".")[0]
        if top in NEVER_IMPORTED:
            found.append(f"{path}:{line}: {name} is never safe")
        if not own_calls and (top in {"requests", "httpx"} or name.startswith(("urllib.request", "http.client"))):
            found.append(f"{path}:{line}: {name} calls outside without a total deadline")
    return found


def findings(path: Path, tree: ast.AST) -> list[str]:
    return bad_calls(path.as_posix(), tree) + bad_imports(path.as_posix(), tree)


def test_nothing_reads_time_or_draws_by_chance_by_itself() -> None:
    """Clock, randomness and calls outside come in as arguments."""
    found = [line for path in python("daemon", "integrations") for line in findings(path, parse(path))]

    assert "" == "\n".join(found)


BAD = {
    "from datetime import datetime\ndatetime.now()": "reads the time",
    "import datetime as dt\ndt.datetime.now()": "reads the time",
    "import time\ntime.time()": "reads the time",
    "from time import monotonic as m\nm()": "reads the time",
    "import time\ntime.sleep(1)": "sleeps",
    "from time import sleep\nsleep(1)": "sleeps",
    "import random\nrandom.choice([1])": "draws by chance",
    "import random\nrandom.Random()": "makes a generator",
    "import uuid\nuuid.uuid4()": "draws by chance",
    "from uuid import uuid4\nuuid4()": "draws by chance",
    "import secrets\nsecrets.token_hex()": "draws by chance",
    "import os\nos.urandom(8)": "draws by chance",
    "import requests": "calls outside",
    "from urllib.request import urlopen": "calls outside",
    "import re\nre.compile(pattern)": "could hang",
    "from re import search\nsearch(rule.pattern, text)": "could hang",
    "eval('1')": "never safe",
    "import pickle": "never safe",
    "import yaml\nyaml.load('')": "never safe",
    "import subprocess\nsubprocess.run('ls', shell=True)": "never safe",
    "session.get('x', verify=False)": "never safe",
}


def test_this_lint_can_fail() -> None:
    """Each bad line, put into a file of the rules, is found and named."""
    found = {code: "; ".join(findings(Path("daemon/rules/bad.py"), ast.parse(code))) for code in BAD}

    assert [] == [f"{code!r} gives {found[code]!r}" for code, why in BAD.items() if why not in found[code]]


def test_what_is_handed_in_is_left_alone() -> None:
    """A clock, a generator and a pattern of RE2 that came as arguments may be used."""
    good = "def step(clock, chance, now):\n    clock.now(); chance.random(); now.isoformat(); clock.time()\n"

    assert [] == findings(Path("daemon/rules/good.py"), ast.parse(good))
