"""Writes recordings in our own format, so that a kill costs at most the last second."""

import errno
from collections.abc import Callable
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path

import zstandard

from runtime.errors import ConfigurationError, StoreError
from runtime.recordings.connections import OpenConnections
from runtime.recordings.frames import RecordedFrame
from runtime.recordings.index import SUFFIX, FrameCount, add_to_index
from runtime.recordings.perptape_format import encode_header, encode_row

FLUSH_BYTES = 2**20
MAX_BUFFER_BYTES = 8 * 2**20
FLUSH_US = 1_000_000
_FILE_ENDINGS = (SUFFIX, ".perptape.jsonl.zst")
_LEVEL = 3
_US_PER_SECOND = 1_000_000


class RecordingWriter:
    """Appends frames to one file, or to a row of files in a directory.

    Rows are buffered for at most one second of receive time or 1 MiB, then leave as one whole
    zstd frame. While the disk refuses, up to 8 MiB wait for it. Existing files are never written
    to; files are rotated between rows. Each file says which connections were open when it began,
    and has a line in the directory's index once it is closed. Let only one write to a directory at
    a time; one after another is fine.

    Args:
        path: a file name ending in `.ptrec.zst` or `.perptape.jsonl.zst`, or a directory.
        now_us: the clock that stamps headers and names files.
        rotate_bytes: begin a new file once this one has so many bytes, compressed and flushed
            (directory only).
        rotate_seconds: begin a new file once this one spans more receive time (directory only).

    Raises:
        ConfigurationError: the file exists, its directory does not, or a single file is to rotate.
        StoreError: the disk refuses the first line.
    """

    def __init__(
        self,
        path: Path,
        *,
        now_us: Callable[[], int],
        rotate_bytes: int | None = None,
        rotate_seconds: float | None = None,
    ) -> None:
        self._single = path.name.endswith(_FILE_ENDINGS)
        if self._single and (rotate_bytes is not None or rotate_seconds is not None):
            raise ConfigurationError(f"{path} is one file; pass a directory to rotate files in")
        self._path = path
        self._now_us = now_us
        self._rotate_bytes = rotate_bytes
        self._rotate_us = None if rotate_seconds is None else int(rotate_seconds * _US_PER_SECOND)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
        self._buffer = bytearray()
        self._buffer_since_us = 0
        self._file: FileIO | None = None
        self._file_bytes = 0
        self._file_since_us: int | None = None
        self._number = 0
        self._connections = OpenConnections()
        self._count = FrameCount()
        self._begin_file()

    def write(self, frame: RecordedFrame) -> None:
        """Append a frame.

        Raises:
            StoreError: the disk refuses. The frame waits for it, unless 8 MiB wait already.
        """
        if len(self._buffer) >= MAX_BUFFER_BYTES:
            self._make_room(frame)
        try:
            if self._must_rotate(frame.receive_time_us):
                self.close()
        finally:  # of a file that cannot be closed the frame becomes a part
            self._append(frame)
        waited_us = frame.receive_time_us - self._buffer_since_us
        if len(self._buffer) >= FLUSH_BYTES or waited_us >= FLUSH_US:
            self.flush()

    def flush(self) -> None:
        """Hand everything to the operating system as one whole zstd frame.

        Raises:
            StoreError: the disk does not take it; nothing was dropped.
        """
        if self._file is None or not self._buffer:
            return
        block = self._compressor.compress(bytes(self._buffer))
        try:
            _write_whole(self._file, block)
        except OSError as error:
            self._undo_partial_write()
            raise StoreError(f"cannot write recording {self._file.name}: {error}") from error
        self._file_bytes += len(block)
        self._buffer.clear()

    def close(self) -> None:
        """Flush and close the file; a later `write` begins a new one where that is allowed."""
        if self._file is None:
            return
        self.flush()
        name = Path(self._file.name).name
        self._file.close()
        self._file = None
        if not self._single:
            add_to_index(self._path, self._count.entry(name, self._file_bytes, closed=True))

    def _make_room(self, frame: RecordedFrame) -> None:
        try:
            self.flush()
        except StoreError:
            self._connections.note(frame)  # it is lost, but the next file can tell of it
            raise

    def _append(self, frame: RecordedFrame) -> None:
        if self._file is None:
            self._begin_file()
        if self._file_since_us is None:
            self._file_since_us = frame.receive_time_us
        if not self._buffer:
            self._buffer_since_us = frame.receive_time_us
        self._buffer += encode_row(frame)
        self._count.add(frame)
        self._connections.note(frame)

    def _must_rotate(self, time_us: int) -> bool:
        if self._file is None or self._file_since_us is None:
            return False
        if self._rotate_bytes is not None and self._file_bytes >= self._rotate_bytes:
            return True
        span_us = time_us - self._file_since_us
        return self._rotate_us is not None and span_us >= self._rotate_us

    def _begin_file(self) -> None:
        created_us = self._now_us()
        path = self._path if self._single else self._path / self._name(created_us)
        try:
            # Unbuffered: a block is with the operating system once `flush` returns.
            self._file = FileIO(path, "xb")
        except OSError as error:
            why = "it exists" if error.errno == errno.EEXIST else str(error)
            raise ConfigurationError(f"cannot begin recording {path}: {why}") from error
        self._file_bytes = 0
        self._file_since_us = None
        self._number += 1
        self._count = FrameCount()
        self._buffer[:0] = encode_header(created_us, self._connections.connects)
        self.flush()

    def _name(self, created_us: int) -> str:
        moment = datetime.fromtimestamp(created_us / _US_PER_SECOND, tz=UTC)
        return f"{moment:%Y%m%dT%H%M%S.%fZ}-{self._number:04}{SUFFIX}"

    def _undo_partial_write(self) -> None:
        """Cut off what a full disk took of the block, so that the same block can be sent again."""
        if self._file is not None:
            self._file.seek(self._file_bytes)
            self._file.truncate()


def _write_whole(file: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[file.write(rest) :]
