"""Parquet files as the same columns of text that CSV files have; needs pyarrow.

The store's embedded engine brings pyarrow with it; it is loaded only when a file needs it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from collectors.dumps.errors import DumpError
from runtime.errors import ConfigurationError

CHUNK_ROWS = 20_000


class ParquetTable:
    """One open file; a "line" is a row, counted from 1, as in a CSV without header.

    Raises:
        ConfigurationError: no such file, or pyarrow is not installed.
        DumpError: it is not a whole Parquet file.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ConfigurationError(f"{path}: there is no such file")
        try:
            import pyarrow.parquet as parquet  # noqa: PLC0415  # only who reads such files needs it
        except ImportError as error:
            raise ConfigurationError(f"{path}: Parquet files need pyarrow: install it") from error
        self._path = path
        try:
            self._file: Any = parquet.ParquetFile(path)
        except (OSError, ValueError) as error:
            raise DumpError(path, 0, f"the file is cut off or broken: {error}") from error

    @property
    def names(self) -> list[str]:
        """The names of its columns."""
        return list(self._file.schema_arrow.names)

    def columns(self) -> Iterator[tuple[int, list[list[str]]]]:
        """Yield columns of text with the number of their first row.

        Raises:
            DumpError: the file is broken.
        """
        number = 1
        try:
            for batch in self._file.iter_batches(batch_size=CHUNK_ROWS):
                columns = [column.to_pylist() for column in batch.columns]
                yield number, [list(map(_text, column)) for column in columns]
                number += batch.num_rows
        except (OSError, ValueError) as error:
            raise DumpError(self._path, number, f"the file is broken: {error}") from error


def _text(value: object) -> str:
    """Write a value as CSV would; a float in its shortest form, which is what was stored."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12f}".rstrip("0").rstrip(".") if value < 1e-4 else repr(value)
    return str(value)
