"""The rows of one file, from the store to its place."""

from collections.abc import Generator
from pathlib import Path

from sinks.clickhouse.access import Reader
from sinks.parquet.datasets import Dataset
from sinks.parquet.files import PartitionFile
from sinks.parquet.plan import FLAT_ROWS, LONG_ROWS, Partition, bounds, pieces_of, where


def write(
    reader: Reader,
    dataset: Dataset,
    partition: Partition,
    root: Path,
    limit_rows: int | None = None,
) -> Generator[PartitionFile, None, int]:
    """Write one file, saying so piece by piece, and return its length in bytes.

    Rows are in the order of the table's key, in which the engine has them: another one would take
    up to twice the time. Of a large file each piece is in that order, and pieces are by time.
    Rows that are stored meanwhile may be in it or not; its fingerprint is that of before, so that
    the next comparison finds them. Closing the iterator leaves nothing but an earlier file.

    Raises:
        QueryError: the store refuses.
        StoreError: the store went away.
        OSError: the file cannot be written.
    """
    limit = limit_rows or (LONG_ROWS if dataset.has_lists else FLAT_ROWS)
    sql = (
        f"SELECT {dataset.selected} FROM {dataset.table} FINAL "  # noqa: S608
        f"WHERE {where(dataset)} ORDER BY {dataset.key}"
    )
    file = PartitionFile(root, partition)
    try:
        for from_us, until_us in pieces_of(reader, dataset, partition, limit):
            file.write(reader.arrow_stream(sql, bounds(partition, from_us, until_us)))
            yield file
        return file.complete()
    finally:
        file.discard()
