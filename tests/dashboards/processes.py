"""Programs that run beside a test, and waiting for what they do."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.house.tree import ROOT

PATIENCE = 60
"""Seconds."""
Found = TypeVar("Found")


def environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def until(holds: Callable[[], Found]) -> Found:
    """What it says once it holds; the last it said if it never does."""
    ends, said = time.monotonic() + PATIENCE, holds()
    while not said and time.monotonic() < ends:
        threading.Event().wait(0.1)
        said = holds()
    return said


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


@contextmanager
def process(command: list[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as writing:
        running = subprocess.Popen(command, cwd=folder, env=environment(), stdout=writing, stderr=subprocess.STDOUT)
    try:
        yield running
    finally:
        running.terminate()
        running.wait(PATIENCE)
