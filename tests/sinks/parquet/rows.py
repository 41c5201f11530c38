"""Exports, and what the engine reads out of them."""

import hashlib
from pathlib import Path
from typing import Any

from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import Store
from sinks.parquet.datasets import find_dataset
from sinks.parquet.export import Exported, export
from sinks.parquet.plan import Asked

DAY, NEXT_DAY = "2026-09-21", "2026-09-22"


def exported(
    reader: Reader, name: str, out: Path, asked: Asked | None = None, limit_rows: int | None = None
) -> Exported:
    """Export to the end and return what was said of it."""
    done = Exported()
    for done in export(reader, find_dataset(reader, name), asked or Asked(), out, limit_rows):
        assert done.path is not None
    return done


def read(store: Store, folder: Path, selected: str) -> list[tuple[Any, ...]]:
    """Read the files of a folder as the engine does."""
    files = f"file('{folder}/**/*.parquet', Parquet)"
    return store.query(f"SELECT {selected} FROM {files}").rows


def contents(folder: Path) -> dict[str, str]:
    """Return what each file of a folder has, hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }
