"""Records on disk while the log is away: in order, bounded, there again after a kill.

The folder holds segment files (`spool_segment`) and the position up to which they are delivered.
Records are appended to the last file and read from the first; a file that is read through is
deleted. One process uses a folder at a time.

What `append` has returned for is with the operating system: a kill at any moment loses none of it.
The disk is synced at most once a second and once for each file, by the next append: **a power cut
can cost the last append and what was appended in the second before it** (plus the time that the
disk took to sync). The position is not synced: after a kill the records of at most one read come
again, after a power cut more.
"""

import errno
import os
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from collectors.outbox.files import MODE, POSITION_BYTES, PositionFile, Syncer, write_whole
from collectors.outbox.losses import Losses
from collectors.outbox.opening import DAMAGE, find_segments, latest_us
from collectors.outbox.segment import Segment, encode_entry, read_records, segment_path
from runtime.bus.protocol import Outgoing
from runtime.errors import ConfigurationError, PayloadError, StoreError
from runtime.failpoint import failpoint

SEGMENT_BYTES = 4 * 2**20
LEAST_BYTES = 4096

_FULL = "the spool was full"
_USER_ERRORS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}
_log = structlog.get_logger(__name__)


class Spool:
    """A queue of records in a folder.

    `records` are in it; `first` counts those that have left it since it was opened. Over
    `max_bytes` the oldest whole segment is dropped; what it held is added to `losses`, as is what
    cannot be read. Opening reads everything that an earlier process left: a second or two for each
    GiB.

    Args:
        folder: made where it is missing; nobody else writes there.
        max_bytes: what all files together may take, at least 4096; never exceeded.
        segment_bytes: how large a file grows, at most a quarter of `max_bytes`.

    Raises:
        ConfigurationError: no folder can be had here, another process uses it, or it is too small.
        StoreError: the disk is full or failing.
    """

    def __init__(self, folder: Path, max_bytes: int, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        if max_bytes < LEAST_BYTES:
            raise ConfigurationError(
                f"a spool of {max_bytes} bytes is too small; give it at least {LEAST_BYTES}"
            )
        self.losses = Losses()
        self.first = 0
        self._folder = folder
        self._max_bytes = max_bytes - POSITION_BYTES
        self._segment_bytes = min(segment_bytes, self._max_bytes // 4)
        self._closed = False
        self._ends: list[int] = []
        self._reader: int | None = None
        self._writer: int | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._position = PositionFile(folder / "position")
            try:
                found = find_segments(folder, *self._position.read(), self.losses)
            except OSError:
                self._position.close()
                raise
        except OSError as error:
            message = f"{folder}: cannot open the spool: {error}"
            if error.errno in _USER_ERRORS:
                raise ConfigurationError(message) from error
            raise StoreError(message) from error
        self._segments = deque(found.segments)
        self._offset = found.offset
        self._next_number = found.next_number
        self.records = sum(segment.records for segment in self._segments)
        self.size_bytes = sum(segment.size_bytes for segment in self._segments)
        self._syncer = Syncer(folder)
        self._make_room(0)

    def append(self, records: Sequence[Outgoing]) -> int:
        """Append records in order and return how many of them, from the first on, were taken.

        Where there is no room the oldest segment is dropped first.

        Raises:
            StoreError: the disk took none of them: it is full, read-only or failing.
        """
        self._check_open()
        taken = 0
        for block, held in self._blocks(records):
            try:
                self._append_block(block, held)
            except OSError as error:
                if taken:
                    break
                raise StoreError(f"{self._folder}: cannot spool: {error}") from error
            taken += len(held)
        return taken

    def read(self, max_records: int) -> list[Outgoing]:
        """Return the oldest records, at most so many, at least one unless it is empty.

        They stay until they are committed. Should their segment be dropped meanwhile, they are not
        counted as lost: the caller has them.

        Raises:
            StoreError: the file cannot be read for now.
        """
        self._check_open()
        self._ends = []
        while self.records:
            segment = self._segments[0]
            try:
                if self._reader is None:
                    self._reader = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
                records, self._ends = read_records(
                    self._reader, segment.size_bytes, self._offset, max_records
                )
            except (OSError, PayloadError) as error:
                if isinstance(error, OSError) and error.errno not in (errno.ENOENT, errno.EIO):
                    raise StoreError(f"{segment.path}: cannot be read: {error}") from error
                self._give_up_unreadable(segment, segment.records, str(error))
                self._leave_segment()
            else:
                return records
        return []

    def commit(self, count: int) -> None:
        """Advance over the oldest `count` records: they have been delivered.

        Raises:
            StoreError: more than the last read is committed, and it cannot be read for now.
        """
        while count > 0 and self.records:
            if not self._ends:
                self.read(count)
                continue
            passed = min(count, len(self._ends))
            count -= passed
            self._advance(passed)

    def close(self) -> None:
        """Sync and close; the records stay. Nothing can be done with it afterwards."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._writer is not None:
                os.fsync(self._writer)
        except OSError as error:
            _log.warning("spool_not_synced", folder=str(self._folder), error=str(error))
        self._close_files()
        self._syncer.close()
        self._position.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self._folder}: the spool is closed")

    def _blocks(self, records: Sequence[Outgoing]) -> Iterator[tuple[bytearray, list[Outgoing]]]:
        """Group entries so that each group fits into a file."""
        block, held = bytearray(), list[Outgoing]()
        for record in records:
            entry = encode_entry(record)
            if held and len(block) + len(entry) > self._segment_bytes:
                yield block, held
                block, held = bytearray(), []
            block += entry
            held.append(record)
        if held:
            yield block, held

    def _append_block(self, block: bytearray, held: list[Outgoing]) -> None:
        if len(block) > self._max_bytes:
            self.losses.add(held, "larger than the spool")
            return
        self._make_room(len(block))
        writer, segment = self._segment_for(len(block), held[0].timestamp_us)
        # Before the write, because a sync that failed refuses it.
        self._syncer.sync(writer)
        failpoint("spool_before_write")
        write_whole(writer, block, segment.size_bytes)
        segment.size_bytes += len(block)
        segment.records += len(held)
        self.size_bytes += len(block)
        self.records += len(held)
        failpoint("spool_after_write")

    def _segment_for(self, size: int, first_us: int) -> tuple[int, Segment]:
        """Return the file to append to: the last one, or a new one where that is full."""
        if self._writer is not None:
            segment = self._segments[-1]
            if not segment.size_bytes or segment.size_bytes + size <= self._segment_bytes:
                return self._writer, segment
            self._syncer.sync_last(self._writer)
            os.close(self._writer)
            self._writer = None
        path = segment_path(self._folder, self._next_number, first_us)
        self._writer = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
        self._segments.append(Segment(path, self._next_number, first_us))
        self._next_number += 1
        return self._writer, self._segments[-1]

    def _make_room(self, size: int) -> None:
        """Drop the oldest segments until so many bytes fit."""
        while self.size_bytes + size > self._max_bytes:
            segment = self._segments[0]
            before = self.losses.total
            held = len(self._ends)
            records: list[Outgoing] = []
            with suppress(PayloadError, OSError):  # what is not read is counted below
                handle = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
                try:
                    records, _ = read_records(handle, segment.size_bytes, self._offset)
                finally:
                    os.close(handle)
            self.losses.add(records[held:], _FULL)
            if len(records) < segment.records:
                self._give_up_unreadable(segment, segment.records - len(records), "dropped")
            self._leave_segment()
            dropped = self.losses.total - before
            _log.error("spool_full_oldest_dropped", records=dropped, left=self.records)

    def _give_up_unreadable(self, segment: Segment, count: int, why: str) -> None:
        until_us = latest_us(segment) if len(self._segments) == 1 else self._segments[1].first_us
        self.losses.add_unreadable(count, segment.first_us, until_us, DAMAGE)
        _log.error("spool_damaged", path=str(segment.path), lost_records=count, error=why)

    def _advance(self, count: int) -> None:
        segment = self._segments[0]
        self._offset = self._ends[count - 1]
        self._ends = self._ends[count:]
        segment.records -= count
        self.records -= count
        self.first += count
        if segment.records:
            self._keep_position()
        else:
            self._leave_segment()
        failpoint("spool_after_commit")

    def _leave_segment(self) -> None:
        """Remove the first file; reading goes on at the beginning of the next."""
        segment = self._segments.popleft()
        self.first += segment.records
        self.records -= segment.records
        self.size_bytes -= segment.size_bytes
        self._offset = 0
        self._ends = []
        self._close_files(writer=not self._segments)
        self._keep_position()
        failpoint("spool_before_delete")
        try:
            segment.path.unlink(missing_ok=True)
        except OSError as error:  # deleted when it is opened next: the position is behind it
            _log.warning("spool_file_not_deleted", path=str(segment.path), error=str(error))

    def _keep_position(self) -> None:
        number = self._segments[0].number if self._segments else self._next_number
        try:
            self._position.write(number, self._offset)
        except OSError as error:  # costs no more than that records are sent again
            _log.warning("spool_position_not_kept", folder=str(self._folder), error=str(error))

    def _close_files(self, *, writer: bool = True) -> None:
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None
        if writer and self._writer is not None:
            os.close(self._writer)
            self._writer = None
