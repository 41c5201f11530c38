"""What the embedded log forgets: old records, records beyond the size limit, old tombstones.

Work is cut into slices of a few milliseconds, each a transaction of its own, so that a sender
never waits for long. Retention wins over slow consumers: what they had not read is gone, their
next record has a higher offset than expected, and that jump is how the loss is seen.

The file itself does not shrink; freed pages are used again.
"""

import sqlite3
from collections import deque
from collections.abc import Callable

from runtime.bus.log_file import OFFSET_BITS, LogFile, begin
from schemas.topics import Topic

_CHUNK = 128
_CHECKPOINT_WAIT_MS = 200


class Sweep:
    """One pass over all partitions, done slice by slice."""

    def __init__(self, log: LogFile, now_s: int) -> None:
        self._settings = log.settings
        self._now_s = now_s
        self._left: deque[tuple[int, Topic]] = deque(
            (number, topic)
            for (name, _), number in log.numbers.items()
            if (topic := log.topics.get(name)) is not None and topic.cleanup == "delete"
        )

    def advance(self, connection: sqlite3.Connection, expired: Callable[[], bool]) -> bool:
        """Remove what may go until the slice's time is over; return whether the pass is complete.

        Raises:
            sqlite3.Error: nothing of this slice was removed; SQLITE_BUSY when another writes.
        """
        begin(connection, 0.0)
        try:
            complete = self._step(connection)
            while not complete and not expired():
                complete = self._step(connection)
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        return complete

    def _step(self, connection: sqlite3.Connection) -> bool:
        """Remove one chunk; return whether nothing is left to look at."""
        if self._left:
            number, topic = self._left[0]
            if not self._trim(connection, number, topic):
                self._left.popleft()
            return False
        return not self._drop_tombstones(connection)

    def _trim(self, connection: sqlite3.Connection, number: int, topic: Topic) -> bool:
        """Remove the oldest records of a partition; return whether there may be more to remove."""
        base = number << OFFSET_BITS
        next_offset, held = connection.execute(
            "SELECT next_offset, bytes FROM partitions WHERE tp = ?", (number,)
        ).fetchone()
        rows: list[tuple[int, int, int]] = connection.execute(
            "SELECT id, appended_s, length(key) + ifnull(length(value), 0) FROM records"
            " WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (base, base + next_offset, _CHUNK),
        ).fetchall()
        age = self._settings.retention_seconds.get(topic.name, topic.retention_seconds)
        oldest_s = 0 if age is None else self._now_s - age
        limit = self._settings.partition_bytes
        newest = base + next_offset - 1
        dropped = freed = 0
        for record, appended_s, size in rows:
            too_much = limit is not None and held - freed > limit and record != newest
            if appended_s >= oldest_s and not too_much:
                break
            dropped += 1
            freed += size
        if dropped:
            last = rows[dropped - 1][0]
            connection.execute("DELETE FROM records WHERE id BETWEEN ? AND ?", (rows[0][0], last))
            connection.execute(
                "UPDATE partitions SET bytes = bytes - ? WHERE tp = ?", (freed, number)
            )
        return dropped == _CHUNK

    def _drop_tombstones(self, connection: sqlite3.Connection) -> bool:
        """Remove tombstones that readers had time to see; return whether there may be more."""
        rows: list[tuple[int, bytes, int]] = connection.execute(
            "SELECT tp, key, record_offset FROM newest"
            " WHERE removed_s IS NOT NULL AND removed_s < ? LIMIT ?",
            (self._now_s - self._settings.tombstone_seconds, _CHUNK),
        ).fetchall()
        for number, key, offset in rows:
            connection.execute(
                "DELETE FROM records WHERE id = ?", (number << OFFSET_BITS | offset,)
            )
            connection.execute("DELETE FROM newest WHERE tp = ? AND key = ?", (number, key))
        return len(rows) == _CHUNK


def cut_back(connection: sqlite3.Connection, log: LogFile) -> None:
    """Move the write-ahead log into the database and shorten it, where readers kept it growing."""
    wal = log.path.with_name(f"{log.path.name}-wal")
    if wal.exists() and wal.stat().st_size > log.settings.wal_bytes:
        connection.execute(f"PRAGMA busy_timeout = {_CHECKPOINT_WAIT_MS}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
