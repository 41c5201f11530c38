"""The rows of a table as Parquet files, a file at a time.

The rows are those of the physical table as it is now, replaced ones left out, with all columns and
their values; lists, decimals and times keep their types, enumerated values are texts. A file is
replaced whole, so that an export may be repeated; files of days that the table no longer has stay.
In memory are the rows of one question: `FLAT_ROWS` or `LONG_ROWS`, or those of one minute.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from schemas.units import US_PER_DAY
from sinks.clickhouse.access import Reader
from sinks.parquet.datasets import Dataset
from sinks.parquet.files import alone_in
from sinks.parquet.plan import Asked, Partition, days_of, partitions_of, start_of
from sinks.parquet.write import write


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
    """Write `OUT/<dataset>/date=.../asset=.../[venue=.../]part-*.parquet`; say so piece by piece.

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
    done = Exported()
    root = out / dataset.name
    with alone_in(out, shared=True), alone_in(root):
        for day in days_of(reader, dataset, asked):
            start_us = start_of(day)
            for partition in partitions_of(
                reader, dataset, start_us, start_us + US_PER_DAY, asked.assets
            ):
                yield from _write(reader, dataset, partition, root, limit_rows, done)


def _write(
    reader: Reader,
    dataset: Dataset,
    partition: Partition,
    root: Path,
    limit_rows: int | None,
    done: Exported,
) -> Generator[Exported, None, None]:
    steps = write(reader, dataset, partition, root, limit_rows)
    try:
        while True:
            file = next(steps)
            done.path, done.path_rows = file.path, file.rows
            yield done
    except StopIteration as stopped:
        done.size_bytes += stopped.value
    finally:
        steps.close()
    done.files += 1
    done.rows += done.path_rows
    yield done
