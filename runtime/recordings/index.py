"""The index of a folder of recordings: `index.jsonl`, one line a file, in the order of the files.

    {"file":"20261120T000000.000000Z-0001.ptrec.zst","first_receive_time_us":1795132800148000,
     "last_receive_time_us":1795136399990000,"frames":812345,"compressed_bytes":93812345,
     "closed":true,"frames_by_connection":{"binance.usdm/0~1":512345,"rest":120}}

It saves reading and decides nothing: a line counts while its file has the size that it says. A file
without such a line (the recorder was killed, or still writes) is read, and gets one in passing. The
index is always replaced whole; where it cannot be, recordings go on without it.
"""

import os
from pathlib import Path
from typing import Final

import msgspec
import structlog

from runtime.recordings.frames import RecordedFrame

SUFFIX: Final = ".ptrec.zst"
INDEX_NAME: Final = "index.jsonl"
MAX_CONNECTIONS = 1024
OTHERS = "*"
"""Under which the frames of all connections beyond the first 1024 of a file are counted."""

_log = structlog.get_logger(__name__)


class IndexEntry(msgspec.Struct, frozen=True):
    """What is known of one file.

    Times are the earliest and the latest in it, None where it has no frames. `closed` says that
    the recorder itself ended the file.
    """

    file: str
    first_receive_time_us: int | None
    last_receive_time_us: int | None
    frames: int
    compressed_bytes: int
    closed: bool
    frames_by_connection: dict[str, int]


class FrameCount:
    """Counts the frames of one file for its line in the index."""

    def __init__(self) -> None:
        self._first_us: int | None = None
        self._last_us: int | None = None
        self._by_connection: dict[str, int] = {}

    def add(self, frame: RecordedFrame) -> None:
        """Count one frame."""
        time_us = frame.receive_time_us
        if self._first_us is None or time_us < self._first_us:
            self._first_us = time_us
        if self._last_us is None or time_us > self._last_us:
            self._last_us = time_us
        counts, name = self._by_connection, frame.connection
        if name not in counts and len(counts) >= MAX_CONNECTIONS:
            name = OTHERS
        counts[name] = counts.get(name, 0) + 1

    def entry(self, file: str, compressed_bytes: int, *, closed: bool) -> IndexEntry:
        """Return the line of a file with these frames."""
        return IndexEntry(
            file,
            self._first_us,
            self._last_us,
            sum(self._by_connection.values()),
            compressed_bytes,
            closed,
            dict(self._by_connection),
        )


_decoder = msgspec.json.Decoder(IndexEntry)


def recording_files(folder: Path) -> list[Path]:
    """Return the files of a folder that hold frames, in the order in which they were written."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())


def read_index(folder: Path) -> dict[str, IndexEntry]:
    """Return what the index says of the files that are there as it knows them, by file name."""
    try:
        lines = (folder / INDEX_NAME).read_bytes().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        _log.warning("recording_index_unreadable", folder=str(folder), error=str(error))
        return {}
    entries = [entry for line in lines if (entry := _read_line(line)) is not None]
    return {one.file: one for one in entries if _is_of(one, folder / one.file)}


def add_to_index(folder: Path, entry: IndexEntry) -> None:
    """Replace the index by one that has this line, too."""
    entries = read_index(folder) | {entry.file: entry}
    text = b"".join(msgspec.json.encode(entries[name]) + b"\n" for name in sorted(entries))
    beside = folder / f".{INDEX_NAME}.{os.getpid()}"
    try:
        beside.write_bytes(text)
        beside.replace(folder / INDEX_NAME)
    except OSError as error:
        beside.unlink(missing_ok=True)
        _log.warning("recording_index_not_written", folder=str(folder), error=str(error))


def _read_line(line: bytes) -> IndexEntry | None:
    try:
        return _decoder.decode(line)
    except ValueError:
        return None


def _is_of(entry: IndexEntry, path: Path) -> bool:
    try:
        return path.stat().st_size == entry.compressed_bytes
    except OSError:
        return False
