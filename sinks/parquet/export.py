"""The rows of a table as Parquet files, a day and asset at a time.

The rows are those of the physical table as it is now, replaced ones left out, with all columns and
their values; lists, decimals and times keep their types, enumerated values are texts. A file is
replaced whole, so that an export may be repeated; files of days that the table no longer has stay.
In memory are the rows of one question: `FLAT_ROWS` or `LONG_ROWS`, or those of one minute.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from sinks.clickhouse.access import Reader
from sinks.parquet.datasets import Dataset
from sinks.parquet.files import PartitionFile, alone_in, folder_of
from sinks.parquet.plan import (
    FLAT_ROWS,
    LONG_ROWS,
    Asked,
    Partition,
    bounds,
    days_of,
    partitions_of,
    pieces_of,
    where,
)


@dataclass(slots=True)
class Exported:
    """How much was written so far, in files that are complete, and which one is under way."""

    files: int = 0
    rows: int = 0
    size_bytes: int = 0
    path: Path | None = None
    path_rows: int = 0


def export(
    reader: Reader, dataset: Dataset, asked: Asked, out: Path, limit_rows: int | None = None
) -> Generator[Exported, None, None]:
    """Write `OUT/<dataset>/date=.../asset=.../[venue=.../]part-0.parquet`; say so piece by piece.

    Closing the iterator leaves complete files and nothing else.

    Args:
        reader: the store.
        dataset: of this store.
        asked: which rows.
        out: a folder; made when missing.
        limit_rows: rows asked for at once.

    Raises:
        ConfigurationError: the folder cannot be had, or pyarrow is missing.
        QueryError: the store refuses.
        StoreError: the store went away.
        OSError: a file cannot be written.
    """
    limit = limit_rows or (LONG_ROWS if dataset.has_lists else FLAT_ROWS)
    done = Exported()
    root = out / dataset.name
    with alone_in(root):
        for day in days_of(reader, dataset, asked):
            for partition in partitions_of(reader, dataset, day, asked.assets):
                yield from _write(reader, dataset, partition, root, limit, done)


def _write(
    reader: Reader,
    dataset: Dataset,
    partition: Partition,
    root: Path,
    limit_rows: int,
    done: Exported,
) -> Generator[Exported, None, None]:
    folder = folder_of(root, partition.day.isoformat(), partition.asset, partition.venue)
    file = PartitionFile(folder)
    done.path, done.path_rows = file.path, 0
    sql = (
        f"SELECT {dataset.selected} FROM {dataset.table} FINAL "  # noqa: S608
        f"WHERE {where(dataset)} ORDER BY {dataset.time}, {dataset.key}"
    )
    try:
        for from_us, until_us in pieces_of(reader, dataset, partition, limit_rows):
            file.write(reader.arrow_stream(sql, bounds(partition, from_us, until_us)))
            done.path_rows = file.rows
            yield done
        done.size_bytes += file.complete()
    finally:
        file.discard()
    done.files += 1
    done.rows += file.rows
    yield done
