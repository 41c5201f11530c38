"""Reads of the embedded log: records, fair over partitions, and stored offsets."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from runtime.bus.log_file import OFFSET_BITS, OFFSET_MASK, LogFile
from runtime.bus.protocol import Record, TopicPartition

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a consumer stands in one partition."""

    topic: str
    partition: int
    number: int
    position: int


@dataclass(slots=True)
class Page:
    """What one read found: records, from where to go on in each partition that moved, all ends."""

    records_left: int
    bytes_left: int
    records: list[Record] = field(default_factory=list)
    positions: dict[TopicPartition, int] = field(default_factory=dict)
    ends: dict[TopicPartition, int] = field(default_factory=dict)

    def is_full(self) -> bool:
        """Whether one more record would exceed what was asked for."""
        return self.records_left <= 0 or self.bytes_left <= 0


class Readers:
    """One reading connection per worker thread."""

    def __init__(self, log: LogFile) -> None:
        self._log = log
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Do work on this thread's connection, inside one consistent view of the log.

        Raises:
            sqlite3.Error: the log cannot be read.
        """
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._log.connect()
            self._local.connection = connection
            self._opened.append(connection)
        with _view(connection):
            return work(connection)

    def close(self) -> None:
        """Close every connection; no worker may still be running."""
        while self._opened:
            self._opened.pop().close()


@contextmanager
def _view(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def read_page(
    connection: sqlite3.Connection, places: Sequence[Place], max_records: int, max_bytes: int
) -> Page:
    """Read on from the given places.

    Every partition that has news gets an equal share of the page, and what one leaves unused goes
    to the others. The byte limit may be exceeded by one record, or nothing large could be read.
    """
    ends = dict[int, int](connection.execute("SELECT tp, next_offset FROM partitions").fetchall())
    page = Page(max_records, max_bytes)
    page.ends = {(place.topic, place.partition): ends[place.number] for place in places}
    active = [place for place in places if place.position < ends[place.number]]
    while active and not page.is_full():
        records_share = max(1, page.records_left // len(active))
        bytes_share = max(1, page.bytes_left // len(active))
        unfinished = []
        for place in active:
            if page.is_full():
                break
            if _take(connection, place, page, (records_share, bytes_share)):
                unfinished.append(place)
            else:
                page.positions[place.topic, place.partition] = ends[place.number]
        active = unfinished
    return page


def _take(connection: sqlite3.Connection, place: Place, page: Page, share: tuple[int, int]) -> bool:
    """Add up to a share of one partition to the page; return whether it may hold more."""
    base = place.number << OFFSET_BITS
    here = (place.topic, place.partition)
    count, size_left = share[0], min(share[1], page.bytes_left)
    cursor = connection.execute(
        "SELECT id, timestamp_us, key, value FROM records WHERE id >= ? AND id <= ?"
        " ORDER BY id LIMIT ?",
        (base + page.positions.get(here, place.position), base + OFFSET_MASK, count),
    )
    with closing(cursor):
        for record, timestamp_us, key, value in cursor:
            offset = record & OFFSET_MASK
            page.records.append(
                Record(place.topic, place.partition, offset, timestamp_us, key, value)
            )
            page.positions[here] = offset + 1
            size = len(key) + len(value or b"")
            page.records_left -= 1
            page.bytes_left -= size
            count -= 1
            size_left -= size
            if size_left <= 0:
                break
    return count == 0 or size_left <= 0


def read_ends(connection: sqlite3.Connection, topic: str) -> list[int]:
    """Return the next offset of each partition of a topic."""
    rows: list[tuple[int]] = connection.execute(
        "SELECT next_offset FROM partitions WHERE topic = ? ORDER BY partition", (topic,)
    ).fetchall()
    return [row[0] for row in rows]


def read_oldest(connection: sqlite3.Connection, number: int) -> int:
    """Return the offset of the oldest record of a partition, or of the next where it is empty."""
    base = number << OFFSET_BITS
    row: tuple[int] | None = connection.execute(
        "SELECT id FROM records WHERE id >= ? AND id <= ? ORDER BY id LIMIT 1",
        (base, base + OFFSET_MASK),
    ).fetchone()
    if row is None:
        row = connection.execute(
            "SELECT next_offset FROM partitions WHERE tp = ?", (number,)
        ).fetchone()
    return row[0] & OFFSET_MASK


def read_offset_at(connection: sqlite3.Connection, number: int, end: int, time_s: int) -> int:
    """Return the offset of the first record appended at a time or later, the end where none was.

    Times of appends rise along a partition, so it is looked for by halves.
    """
    base = number << OFFSET_BITS
    low, high = read_oldest(connection, number), end
    while low < high:
        middle = (low + high) // 2
        found: tuple[int, int] | None = connection.execute(
            "SELECT id, appended_s FROM records WHERE id >= ? AND id < ? ORDER BY id LIMIT 1",
            (base + middle, base + high),
        ).fetchone()
        if found is None or found[1] >= time_s:
            high = middle
        else:
            low = (found[0] & OFFSET_MASK) + 1
    return low


def read_positions(connection: sqlite3.Connection, group: str) -> dict[int, int]:
    """Return a group's committed offset of each partition (by its number)."""
    return dict(
        connection.execute(
            "SELECT tp, next_offset FROM positions WHERE consumer_group = ?", (group,)
        ).fetchall()
    )
