"""One Parquet file at a time, there whole or not at all; needs pyarrow.

`ROOT/date=2026-09-21/asset=BTC/venue=okx/part-07.parquet` has the rows of 07:00 to 08:00 UTC.
In its footer a file says what it was made of.
"""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runtime.disk import sync
from runtime.errors import ConfigurationError, StoreError
from runtime.failpoint import failpoint
from schemas.units import US_PER_DAY, US_PER_HOUR
from sinks.parquet.plan import Partition, day_at

ROW_GROUP_ROWS = 200_000

_UNSAFE = re.compile(r"""[\x00-\x1f\x7f/\\%=*?"'#{}\[\]]""")
_LEVEL = 3
_UNFINISHED = ".unfinished"
_FINGERPRINT = b"perptape"


@dataclass(frozen=True, slots=True)
class Made:
    """What a file says of itself: how many rows, and the fingerprint of its partition."""

    rows: int
    fingerprint: str


def path_of(root: Path, partition: Partition) -> Path:
    """Return where the rows of a partition are: the folder by day, asset and perhaps venue.

    Readers take these columns from the path, although the file has them too: an empty value stays
    empty, and only signs that a path or a pattern cannot have are escaped, as in a URL.
    """
    folder = day_folder(root, partition.hour_us) / f"asset={_escaped(partition.asset)}"
    if partition.venue is not None:
        folder /= f"venue={_escaped(partition.venue)}"
    return folder / name_of(partition.hour_us)


def day_folder(root: Path, hour_us: int) -> Path:
    """Return the folder of the day that an hour is in."""
    return root / f"date={day_at(hour_us).isoformat()}"


def name_of(hour_us: int) -> str:
    """Return the name of all files of an hour."""
    return f"part-{hour_us % US_PER_DAY // US_PER_HOUR:02}.parquet"


def made(path: Path) -> Made | None:
    """Return what a file was made of; None where there is none, or it is not one of ours."""
    arrow = arrow_library()
    try:
        footer = arrow.parquet.read_metadata(path)
    except (OSError, arrow.ArrowInvalid):
        return None
    fingerprint = (footer.metadata or {}).get(_FINGERPRINT)
    return None if fingerprint is None else Made(footer.num_rows, fingerprint.decode())


def _escaped(value: str) -> str:
    return _UNSAFE.sub(lambda found: quote(found[0], safe=""), value)


class PartitionFile:
    """A file on its way: rows go to a name that no reader looks for, until it is complete.

    Args:
        root: the dataset's folder, where nobody else is at work.
        partition: whose rows they are; its folder is made when missing.
    """

    def __init__(self, root: Path, partition: Partition) -> None:
        self.path = path_of(root, partition)
        self.rows = 0
        self._fresh = root / _UNFINISHED
        self._fingerprint = partition.fingerprint.encode()
        self._arrow = arrow_library()
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
                self._fresh,
                table.schema.with_metadata({_FINGERPRINT: self._fingerprint}),
                compression="zstd",
                compression_level=_LEVEL,
            )
        if table.num_rows:
            self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self.rows += table.num_rows
        return int(table.num_rows)

    def complete(self) -> int:
        """Put the file in its place, on disk, and return its length in bytes."""
        self._writer.close()
        sync(self._fresh)
        failpoint("export_before_rename")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._fresh.replace(self.path)
        sync(self.path.parent)
        return self.path.stat().st_size

    def discard(self) -> None:
        """Leave nothing of what is not complete; an earlier file stays."""
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()
        self._fresh.unlink(missing_ok=True)


def discard_unfinished(root: Path) -> None:
    """Remove what a killed process left of a file that was not complete."""
    (root / _UNFINISHED).unlink(missing_ok=True)


@contextmanager
def alone_in(folder: Path, *, shared: bool = False) -> Iterator[None]:
    """Keep others out of a folder: all of them, or those that want it for themselves.

    Raises:
        ConfigurationError: another one is at work there, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ConfigurationError(f"{folder}: {error.strerror}") from error
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise ConfigurationError(f"another export or sink writes to {folder}") from error
    finally:
        os.close(handle)


def arrow_library() -> Any:
    """Load pyarrow, which the store's embedded engine brings with it.

    Raises:
        ConfigurationError: it is missing.
    """
    try:
        import pyarrow  # noqa: PLC0415  # only who writes files needs it
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigurationError("Parquet files need pyarrow: install it") from error
    return pyarrow
