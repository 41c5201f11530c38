"""Run the program as a user does, in a process and a folder of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-c", "from runtime.cli.main import main; main()"]
DEADLINE_SECONDS = 300.0


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `perptape ARGUMENTS` to its end."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=os.environ | {"COLUMNS": "200"} | environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def ask(folder: Path, sql: str) -> list[dict[str, Any]]:
    """Return the rows of `perptape query`."""
    done = run(folder, "query", sql, "--format", "json")
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run `perptape ARGUMENTS` meanwhile; it is killed in the end if it still runs."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def wait_for(folder: Path, sql: str, process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Ask until there are rows; the process must go on running."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr and process.stderr.read()
        done = run(folder, "query", sql, "--format", "json")
        if done.returncode == 0 and (rows := json.loads(done.stdout)):
            return list(rows)
    raise AssertionError(f"no rows in time: {done.stderr}")
