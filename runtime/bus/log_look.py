"""Look at the embedded log from outside: no record, offset or setting of it is changed.

A reading connection of its own, one consistent view, a few range reads for each partition.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from runtime.bus.log_file import (
    FILE_NAME,
    OFFSET_BITS,
    OFFSET_MASK,
    EmbeddedBusSettings,
    check_format,
    connect,
    explain,
)
from runtime.bus.log_read import read_positions
from runtime.bus.look import (
    LETTERS,
    LETTERS_US,
    LogSeen,
    Waiting,
    partitions_saved,
    reason_of,
    topic_seen,
)
from runtime.bus.protocol import TopicPartition
from schemas.topics import DEADLETTER, TOPICS, Topic
from schemas.units import US_PER_SECOND

LOCK_SECONDS = 2.0
_Partitions = Mapping[TopicPartition, tuple[int, int]]
"""The number of each partition, and its next offset."""


def is_log(directory: Path) -> bool:
    """Say whether there is a log in a directory."""
    return (directory / FILE_NAME).is_file()


def look(
    directory: Path,
    groups: Mapping[str, Sequence[str]],
    now_us: int,
    topics: Mapping[str, Topic] = TOPICS,
) -> LogSeen:
    """Return what is to be seen of the log in a directory that has one.

    Args:
        directory: with the log.
        groups: the topics that each group of readers commits to.
        now_us: ends the hour of the dead letters.
        topics: the registry.

    Raises:
        ConfigurationError: not our file, or one of a newer format.
        BusError: it is damaged or cannot be read.
    """
    path = directory / FILE_NAME
    try:
        with closing(_open(path)) as connection:
            check_format(connection, path)
            connection.execute("BEGIN")
            return _look(connection, groups, now_us, topics)
    except sqlite3.Error as error:
        raise explain(error, path, "reading") from error


def _open(path: Path) -> sqlite3.Connection:
    """Open the log so that it stays as it is.

    Where a write-ahead log is left, by a process that runs or was killed, an ordinary connection
    would work it off when it closes; where none is, a read-only one would leave empty files.
    """
    if path.with_name(f"{path.name}-wal").exists():
        address = f"{path.resolve().as_uri()}?mode=ro"
        return sqlite3.connect(address, uri=True, timeout=LOCK_SECONDS, isolation_level=None)
    settings = EmbeddedBusSettings(lock_timeout_seconds=LOCK_SECONDS)
    return connect(path, settings, read_only=True)


def _look(
    connection: sqlite3.Connection,
    groups: Mapping[str, Sequence[str]],
    now_us: int,
    topics: Mapping[str, Topic],
) -> LogSeen:
    rows = connection.execute("SELECT topic, partition, tp, next_offset FROM partitions")
    held = {(topic, partition): (tp, end) for topic, partition, tp, end in rows}
    ends = {place: end for place, (_, end) in held.items()}
    newest = {
        place: row
        for place, (tp, _) in held.items()
        if (row := _newest(connection, tp)) is not None
    }
    return LogSeen(
        differences=list(_differences(held, topics)),
        topics={name: topic_seen(name, newest, ends) for name in topics},
        waiting=[one for group in groups for one in _waiting(connection, held, group, groups)],
        saved=partitions_saved(newest),
        letters=_letters(connection, held, now_us),
    )


def _differences(held: _Partitions, topics: Mapping[str, Topic]) -> Iterator[str]:
    for topic in topics.values():
        count = sum(name == topic.name for name, _ in held)
        if count and count != topic.partitions:  # one that is missing is made at the next start
            yield f"{topic.name}: partitions is {count}, wanted {topic.partitions}"


def _of(held: _Partitions, topic: str) -> list[tuple[int, int, int]]:
    """Return number, own number and next offset of the partitions of a topic, in order."""
    return sorted((part, tp, end) for (name, part), (tp, end) in held.items() if name == topic)


def _newest(connection: sqlite3.Connection, tp: int) -> tuple[int, int] | None:
    """Return when the newest record of a partition was appended, and the time in it."""
    base = tp << OFFSET_BITS
    row: tuple[int, int] | None = connection.execute(
        "SELECT appended_s, timestamp_us FROM records WHERE id >= ? AND id <= ?"
        " ORDER BY id DESC LIMIT 1",
        (base, base + OFFSET_MASK),
    ).fetchone()
    return None if row is None else (row[0] * US_PER_SECOND, row[1])


def _waiting(
    connection: sqlite3.Connection,
    held: _Partitions,
    group: str,
    groups: Mapping[str, Sequence[str]],
) -> Iterator[Waiting]:
    positions = read_positions(connection, group)
    for topic in groups[group]:
        for partition, tp, end in _of(held, topic):
            base, committed = tp << OFFSET_BITS, positions.get(tp, 0)
            row: tuple[int] | None = connection.execute(
                "SELECT appended_s FROM records WHERE id >= ? AND id <= ? ORDER BY id LIMIT 1",
                (base + committed, base + OFFSET_MASK),
            ).fetchone()
            oldest_us = None if row is None else row[0] * US_PER_SECOND
            yield Waiting(group, topic, partition, end - committed, oldest_us)


def _letters(connection: sqlite3.Connection, held: _Partitions, now_us: int) -> dict[str, int]:
    found: Counter[str] = Counter()
    for _, tp, _ in _of(held, DEADLETTER.name):
        base = tp << OFFSET_BITS
        rows = connection.execute(
            "SELECT appended_s, value FROM records WHERE id >= ? AND id <= ?"
            " ORDER BY id DESC LIMIT ?",
            (base, base + OFFSET_MASK, LETTERS),
        )
        for appended_s, value in rows:
            if appended_s * US_PER_SECOND < now_us - LETTERS_US:
                break
            found[reason_of(value)] += 1
    return dict(found)
