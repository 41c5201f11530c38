"""Exports, and what the engine reads out of them."""

import hashlib
from pathlib import Path
from typing import Any

from sinks.clickhouse.access import Reader
from sinks.clickhouse.client import Store
from sinks.parquet.datasets import find_dataset, find_datasets
from sinks.parquet.export import Exported, export
from sinks.parquet.follow import Follower
from sinks.parquet.parts import list_parts
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


def followed(follower: Follower, reader: Reader) -> Follower:
    """Do rounds until nothing is left to compare."""
    for _ in follower.round(reader):
        pass
    while follower.pending:
        for _ in follower.round(reader):
            pass
    return follower


def versions(out: Path) -> dict[str, tuple[int, int]]:
    """Return which file is behind each name: another one where it was written again."""
    return {
        str(path.relative_to(out)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in out.rglob("*.parquet")
    }


def written(before: dict[str, tuple[int, int]], out: Path) -> set[str]:
    """Return the names of files that are not those of before."""
    return {name for name, which in versions(out).items() if before.get(name) != which}


def same_as_tables(store: Store, reader: Reader, out: Path) -> int:
    """Compare all files with all rows of the tables, and return how many these are."""
    count = 0
    datasets = find_datasets(reader)
    filled = {path.parent.name for path in out.glob("*/date=*")}
    filled |= list_parts(reader, datasets.values()).keys()
    for name, dataset in datasets.items():
        if name not in filled:
            continue
        columns = ", ".join(f"`{column}`" for column, _ in dataset.columns)
        there = store.query(f"SELECT {columns} FROM {dataset.table} FINAL").rows
        in_files = read(store, out / name, columns) if list((out / name).rglob("*.parquet")) else []
        assert sorted(map(repr, in_files)) == sorted(map(repr, there)), name
        count += len(there)
    return count
