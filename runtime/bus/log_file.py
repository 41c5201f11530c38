"""The file of the embedded log: how it is laid out in SQLite, opened, and what its errors mean.

partitions   one row per topic partition: next offset (stored, so that it survives retention)
             and the bytes held (only in topics that are limited in size)
records      id = partition id << 48 | offset, so one B-tree serves "partition p from offset n"
             as a range, appends stay dense and retention frees whole pages
newest       compacted topics only: the offset of the newest record of each key
positions    what each consumer group has committed
log          when the log was created, and the epoch that follows from it
"""

import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from runtime.bus.protocol import TopicPartition
from runtime.disk import sync
from runtime.errors import BusError, ConfigurationError, PerptapeError
from schemas.lineage import epoch_at
from schemas.topics import Topic

FILE_NAME = "log.sqlite3"
FORMAT_VERSION = 1
APPLICATION_ID = 0x70747065
OFFSET_BITS = 48
OFFSET_MASK = (1 << OFFSET_BITS) - 1
PAGE_BYTES = 8192
"""Measured with 2 kB values: 4096 reads slower, 16384 writes four times as much per small send."""

_LOCK_PAUSE_SECONDS = 0.001
_SCHEMA = """
CREATE TABLE log (created_s INTEGER NOT NULL, epoch INTEGER NOT NULL);
CREATE TABLE partitions (
  tp INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL,
  next_offset INTEGER NOT NULL DEFAULT 0, bytes INTEGER NOT NULL DEFAULT 0,
  UNIQUE (topic, partition));
CREATE TABLE records (
  id INTEGER PRIMARY KEY, appended_s INTEGER NOT NULL, timestamp_us INTEGER NOT NULL,
  key BLOB NOT NULL, value BLOB);
CREATE TABLE newest (
  tp INTEGER NOT NULL, key BLOB NOT NULL, record_offset INTEGER NOT NULL, removed_s INTEGER,
  PRIMARY KEY (tp, key)) WITHOUT ROWID;
CREATE INDEX tombstones ON newest (removed_s) WHERE removed_s IS NOT NULL;
CREATE TABLE positions (
  consumer_group TEXT NOT NULL, tp INTEGER NOT NULL, next_offset INTEGER NOT NULL,
  PRIMARY KEY (consumer_group, tp)) WITHOUT ROWID;
"""
_WRONG_FILE = {
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_AUTH,
}
_PLAIN_WORDS = {
    sqlite3.SQLITE_FULL: "the disk (or the log's own size limit) is full",
    sqlite3.SQLITE_BUSY: "another process has held the write lock for too long",
    sqlite3.SQLITE_LOCKED: "another process has held the write lock for too long",
    sqlite3.SQLITE_NOTADB: "the file is damaged or is not a log of perptape",
    sqlite3.SQLITE_CORRUPT: "the file is damaged",
    sqlite3.SQLITE_IOERR: "the disk reported an error",
    sqlite3.SQLITE_READONLY: "the file may not be written",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened",
    sqlite3.SQLITE_PERM: "access to the file was denied",
}


@dataclass(frozen=True, slots=True)
class EmbeddedBusSettings:
    """How an embedded log keeps, writes and reads; the defaults suit one machine.

    Args:
        synchronous: `FULL` syncs the disk before a send returns, `NORMAL` only at checkpoints.
        retention_seconds: age limit per topic instead of the registry's; None keeps for ever.
        partition_bytes: how much one partition of a `delete` topic may hold; None is no limit.
        tombstone_seconds: how long readers of a compacted topic can still see a removal.
        file_bytes: hard limit of the database file; sends are refused when it is reached.
        lock_timeout_seconds: how long a send waits for another process that writes.
        wake_interval_seconds: how soon a poll notices a record from another process.
        maintenance_seconds: time between two looks for what retention may remove.
        slice_seconds: the longest that retention holds the write lock at a time.
        poll_bytes: the most that one poll returns (but always at least one record).
        record_bytes: the largest key and value together.
        transaction_bytes: the most that one group commit takes.
        waiting_sends: how many sends and commits may wait; more wait for a place in order.
        wal_bytes: size above which the write-ahead log is cut back.
    """

    synchronous: Literal["FULL", "NORMAL"] = "FULL"
    retention_seconds: Mapping[str, int | None] = field(default_factory=dict)
    partition_bytes: int | None = 2 * 2**30
    tombstone_seconds: int = 86_400
    file_bytes: int | None = None
    lock_timeout_seconds: float = 15.0
    wake_interval_seconds: float = 0.02
    maintenance_seconds: float = 10.0
    slice_seconds: float = 0.02
    poll_bytes: int = 8 * 2**20
    record_bytes: int = 16 * 2**20
    transaction_bytes: int = 16 * 2**20
    waiting_sends: int = 1024
    wal_bytes: int = 64 * 2**20


@dataclass(frozen=True, slots=True)
class LogFile:
    """An opened log: where it is, its epoch and the number of each topic partition in it."""

    path: Path
    epoch: int
    numbers: Mapping[TopicPartition, int]
    topics: Mapping[str, Topic]
    settings: EmbeddedBusSettings
    clock: Callable[[], float]

    def connect(self) -> sqlite3.Connection:
        """Open a connection for reading, to be used by one thread at a time."""
        return connect(self.path, self.settings, read_only=True)


def explain(error: Exception, path: Path, doing: str) -> BusError:
    """Say in plain words why work on the log failed."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    why = _PLAIN_WORDS.get(code)
    return BusError(f"{path}: {doing} failed: {f'{why} ({error})' if why else error}")


def connect(
    path: Path, settings: EmbeddedBusSettings, *, read_only: bool = False
) -> sqlite3.Connection:
    """Open a connection with the log's settings; transactions are begun by hand."""
    connection = sqlite3.connect(
        path,
        timeout=settings.lock_timeout_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        _configure(connection, settings, read_only=read_only)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _configure(
    connection: sqlite3.Connection, settings: EmbeddedBusSettings, *, read_only: bool
) -> None:
    connection.execute(f"PRAGMA synchronous = {settings.synchronous}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {settings.wal_bytes // 4 // PAGE_BYTES}")
    connection.execute(f"PRAGMA journal_size_limit = {settings.wal_bytes}")
    connection.execute("PRAGMA cache_size = -8000")
    if settings.file_bytes is not None:
        connection.execute(f"PRAGMA max_page_count = {settings.file_bytes // PAGE_BYTES}")
    if read_only:
        connection.execute("PRAGMA query_only = ON")


def begin(connection: sqlite3.Connection, wait_seconds: float) -> None:
    """Take the write lock.

    SQLite's own wait sleeps up to 100 ms at a time, which a neighbour that writes all the time
    turns into starvation; a millisecond finds the gap between two of its transactions.

    Raises:
        sqlite3.OperationalError: the lock was not free within `wait_seconds`.
    """
    deadline = time.monotonic() + wait_seconds
    connection.execute("PRAGMA busy_timeout = 0")
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return


def open_log(
    directory: Path,
    settings: EmbeddedBusSettings,
    topics: Mapping[str, Topic],
    clock: Callable[[], float],
) -> tuple[LogFile, sqlite3.Connection]:
    """Open the log in a directory, creating both where they do not exist; connect for writing.

    Raises:
        ConfigurationError: not a directory, not our file, a newer format, or other partitions.
        BusError: the disk is full or failing, or the file stays locked.
    """
    path = directory / FILE_NAME
    _make_directory(directory)
    try:
        connection = connect(path, settings)
        try:
            epoch = _prepare(connection, path, topics, clock, settings.lock_timeout_seconds)
            numbers = _numbers(connection, path, topics)
            sync(directory)
        except (sqlite3.Error, OSError, PerptapeError):
            connection.close()
            raise
    except sqlite3.Error as error:
        raise _opening_error(error, path) from error
    except OSError as error:
        raise BusError(f"{path}: opening the log failed: {error}") from error
    return LogFile(path, epoch, numbers, topics, settings, clock), connection


def _opening_error(error: sqlite3.Error, path: Path) -> PerptapeError:
    """Sort what went wrong at opening: the user's to change, or worth another try."""
    told = explain(error, path, "opening the log")
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _WRONG_FILE:
        return ConfigurationError(f"{told}; move the file away or choose another directory")
    return told


def _make_directory(directory: Path) -> None:
    """Create the directory of the log."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{directory}: the log needs a directory here: {error.strerror or error}"
        ) from error


def _prepare(
    connection: sqlite3.Connection,
    path: Path,
    topics: Mapping[str, Topic],
    clock: Callable[[], float],
    wait_seconds: float,
) -> int:
    """Check the format, create what is missing and return the log's epoch."""
    connection.execute("BEGIN")  # one view: another process may be creating the log right now
    try:
        check_format(connection, path)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    _switch_to_wal(connection, wait_seconds)
    begin(connection, wait_seconds)
    try:
        if check_format(connection, path) == 0:
            created = int(clock())
            for statement in _SCHEMA.split(";\n")[:-1]:
                connection.execute(statement)
            connection.execute("INSERT INTO log VALUES (?, ?)", (created, epoch_at(created)))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
        _add_topics(connection, topics)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    epoch_row: tuple[int] = connection.execute("SELECT epoch FROM log").fetchone()
    return epoch_row[0]


def _add_topics(connection: sqlite3.Connection, topics: Mapping[str, Topic]) -> None:
    """Create the partitions of the topics that the log does not have yet."""
    held = {row[0] for row in connection.execute("SELECT DISTINCT topic FROM partitions")}
    connection.executemany(
        "INSERT INTO partitions (topic, partition) VALUES (?, ?)",
        [
            (topic.name, number)
            for topic in topics.values()
            if topic.name not in held
            for number in range(topic.partitions)
        ],
    )


def check_format(connection: sqlite3.Connection, path: Path) -> int:
    """Return the file's format version, 0 for a new file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID and (owner or version or tables):
        raise ConfigurationError(
            f"{path}: this is the database of another program; choose another directory"
        )
    if version > FORMAT_VERSION:
        raise ConfigurationError(
            f"{path}: written by a newer perptape (format {version}, this one reads up to "
            f"{FORMAT_VERSION}); upgrade, or choose another directory"
        )
    return version


def _switch_to_wal(connection: sqlite3.Connection, wait_seconds: float) -> None:
    """Turn the write-ahead log on; SQLite itself does not wait when two processes do so."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
            time.sleep(_LOCK_PAUSE_SECONDS)
        else:
            return


def _numbers(
    connection: sqlite3.Connection, path: Path, topics: Mapping[str, Topic]
) -> dict[TopicPartition, int]:
    """Return the number of each topic partition, refusing a log with other partition counts."""
    rows: list[tuple[str, int, int]] = connection.execute(
        "SELECT topic, partition, tp FROM partitions"
    ).fetchall()
    for topic in topics.values():
        held = sum(name == topic.name for name, _, _ in rows)
        if held != topic.partitions:
            raise ConfigurationError(
                f"{path}: {topic.name} has {held} partitions here and {topic.partitions} in the "
                "registry; keys would change partition, so start a new log in another directory"
            )
    return {(name, partition): number for name, partition, number in rows}
