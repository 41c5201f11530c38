"""A program on a leash is the process that was started, and ends when its starter does."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.kafka.leash import leashed

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 120.0
STARTER = """
import subprocess, sys
from deploy.kafka.leash import leashed
program = subprocess.Popen(leashed(sys.argv[1:]), stdin=subprocess.PIPE)
print("started", flush=True)
program.wait()
"""


@pytest.fixture
def sleep() -> list[str]:
    found = shutil.which("sleep")
    assert found
    return [found, "600"]


@pytest.fixture
def program(sleep: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(leashed(sleep), stdin=subprocess.PIPE) as started:
        yield started
        started.kill()


def test_signals_reach_the_program_itself(program: subprocess.Popen[bytes]) -> None:
    program.terminate()
    assert program.wait(PATIENCE_SECONDS) == -signal.SIGTERM


def test_letting_go_of_the_leash_kills_the_program(program: subprocess.Popen[bytes]) -> None:
    assert program.stdin is not None
    program.stdin.close()
    assert program.wait(PATIENCE_SECONDS) == -signal.SIGKILL


def test_a_program_does_not_outlive_a_starter_that_is_killed(
    sleep: list[str],
) -> None:
    command = [sys.executable, "-c", STARTER, *sleep]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        starter.kill()
        # The program has the same standard output: it ends when both are gone.
        assert starter.communicate(timeout=PATIENCE_SECONDS)[0] == b""
