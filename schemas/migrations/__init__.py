"""The store's tables and views as numbered SQL files, forward only.

A file is applied once, whole, in the order of the names; a released file never changes, a change
of the tables is a new file. Inside a file a statement starts at a line `-- step: what it does` and
runs to the next such line. Every statement may be repeated (`IF NOT EXISTS`, `OR REPLACE`), so that
a file whose application broke off is simply applied again.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib import resources

_STEP = re.compile(r"^-- step: .+$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its name, what identifies its content, and its statements."""

    name: str
    checksum: str
    steps: tuple[str, ...]


def load() -> list[Migration]:
    """Return all migrations in the order in which they are applied."""
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".sql"))
    return [
        parse(file.name, file.read_text(encoding="utf-8"))
        for file in sorted(files, key=lambda file: file.name)
    ]


def parse(name: str, text: str) -> Migration:
    """Split a file into its statements; what stands before the first step is the file's comment."""
    steps = tuple(step.strip() for step in _STEP.split(text)[1:])
    return Migration(name, hashlib.sha256(text.encode()).hexdigest(), steps)
