"""How the spool uses the disk: the position that survives a kill, whole writes, syncs."""

import fcntl
import os
import struct
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from zlib import crc32

from runtime.disk import sync
from runtime.errors import ConfigurationError

MODE = 0o600
SYNC_SECONDS = 1.0
POSITION_BYTES = 20

_POSITION = struct.Struct("<QQ")
_CHECKSUM = struct.Struct("<I")


class PositionFile:
    """Where reading goes on: a segment's number and an offset in it; locked while it is open.

    It is written in place, in one call and with a checksum: that needs no room on a full disk. A
    position that cannot be made out, or is old, only has records sent again.

    Raises:
        ConfigurationError: another process has it open.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._handle)
            raise ConfigurationError(
                f"{path.parent}: another process spools here; give each its own folder"
            ) from error

    def read(self) -> tuple[int, int]:
        """Return number and offset, `(0, 0)` where there is no whole position."""
        return position_in(os.pread(self._handle, POSITION_BYTES, 0))

    def write(self, number: int, offset: int) -> None:
        """Keep a position."""
        data = _POSITION.pack(number, offset)
        os.pwrite(self._handle, data + _CHECKSUM.pack(crc32(data)), 0)

    def close(self) -> None:
        """Close the file and give the lock back."""
        os.close(self._handle)


def position_in(data: bytes) -> tuple[int, int]:
    """Return number and offset of what the file holds, `(0, 0)` where that is no whole position."""
    if len(data) < POSITION_BYTES or _CHECKSUM.unpack_from(data, 16)[0] != crc32(data[:16]):
        return 0, 0
    number, offset = _POSITION.unpack_from(data)
    return number, offset


class Syncer:
    """Has the disk take what was written, on a thread of its own: a sync may take seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "perptape-spool-sync")
        self._running: Future[None] | None = None
        self._next = 0.0

    def sync(self, handle: int) -> None:
        """Begin to sync a file, unless one was begun within the second or goes on still.

        Raises:
            OSError: the sync before this one failed.
        """
        now = time.monotonic()
        if now < self._next or (self._running is not None and not self._running.done()):
            return
        self._next = now + SYNC_SECONDS
        self._begin(handle)

    def sync_last(self, handle: int) -> None:
        """Begin to sync a file that is not written to any more, after the sync that goes on.

        Raises:
            OSError: the sync before this one failed.
        """
        self._begin(handle)

    def close(self) -> None:
        """Wait for the sync that goes on."""
        self._thread.shutdown()

    def _begin(self, handle: int) -> None:
        before, self._running = self._running, None
        if before is not None:
            before.result()
        self._running = self._thread.submit(_sync, os.dup(handle), self._folder)


def _sync(handle: int, folder: Path) -> None:
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    sync(folder)


def write_whole(handle: int, data: bytes | bytearray, offset: int) -> None:
    """Write at an offset, all of it or none.

    Raises:
        OSError: the disk refuses; what it took of it is cut off again.
    """
    rest, at = memoryview(data), offset
    try:
        while rest:
            written = os.pwrite(handle, rest, at)
            rest, at = rest[written:], at + written
    except OSError:
        os.ftruncate(handle, offset)
        raise
