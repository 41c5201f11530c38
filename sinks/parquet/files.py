"""One Parquet file at a time, there whole or not at all; needs pyarrow."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runtime.errors import ConfigurationError, StoreError
from runtime.failpoint import failpoint

FILE = "part-0.parquet"
ROW_GROUP_ROWS = 200_000

_UNSAFE = re.compile(r"""[\x00-\x1f\x7f/\\%=*?"'#{}\[\]]""")
_LEVEL = 3


def folder_of(root: Path, day: str, asset: str, venue: str | None) -> Path:
    """Return the folder of a partition: `date=.../asset=...`, where it has one also `venue=...`.

    Readers take these columns from the path, although the file has them too: an empty value stays
    empty, and only signs that a path or a pattern cannot have are escaped, as in a URL.
    """
    path = root / f"date={day}" / f"asset={_escaped(asset)}"
    return path if venue is None else path / f"venue={_escaped(venue)}"


def _escaped(value: str) -> str:
    return _UNSAFE.sub(lambda found: quote(found[0], safe=""), value)


class PartitionFile:
    """A file on its way: rows go to a name that no reader looks for, until it is complete.

    Args:
        folder: of the partition; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.rows = 0
        self._fresh = folder / f".{FILE}.new"
        self._arrow = _arrow()
        self._writer: Any = None

    def write(self, stream: bytes) -> int:
        """Add the rows of an Arrow stream and return how many they are.

        Raises:
            StoreError: what the store sent is not whole.
            OSError: the file cannot be written.
        """
        try:
            table = self._arrow.ipc.open_stream(stream).read_all()
        except self._arrow.ArrowInvalid as error:
            raise StoreError(f"the store's answer broke off: {error}") from error
        if self._writer is None:
            self._fresh.parent.mkdir(parents=True, exist_ok=True)
            self._writer = self._arrow.parquet.ParquetWriter(
                self._fresh, table.schema, compression="zstd", compression_level=_LEVEL
            )
        if table.num_rows:
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self.rows += table.num_rows
        return int(table.num_rows)

    def complete(self) -> int:
        """Put the file in its place, on disk, and return its length in bytes."""
        self._writer.close()
        _sync(self._fresh)
        failpoint("export_before_rename")
        self._fresh.replace(self.path)
        _sync(self.path.parent)
        return self.path.stat().st_size

    def discard(self) -> None:
        """Leave nothing of what is not complete; an earlier file stays."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
        self._fresh.unlink(missing_ok=True)


@contextmanager
def alone_in(root: Path) -> Iterator[None]:
    """Keep other exports of the same dataset out of a folder.

    Raises:
        ConfigurationError: another one is at work there, or the folder cannot be made.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root, os.O_RDONLY)
    except OSError as error:
        raise ConfigurationError(f"{root}: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigurationError(f"another export writes to {root}") from error
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _arrow() -> Any:
    """Load pyarrow, which the store's embedded engine brings with it."""
    try:
        import pyarrow  # noqa: PLC0415  # only who exports needs it
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError("Parquet files need pyarrow: install it") from error
    return pyarrow
