"""What one write transaction of the embedded log does: append, compact, store group positions."""

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from runtime.bus.log_file import OFFSET_BITS


class Entry(NamedTuple):
    """A checked record on its way into the file."""

    number: int
    compacted: bool
    timestamp_us: int
    key: bytes
    value: bytes | None


@dataclass(slots=True)
class _Head:
    """The end of one partition as the transaction sees it."""

    next_offset: int
    bytes: int


class Transaction:
    """One open write transaction.

    Offsets are taken from the file, not from memory: several processes write in turn.
    """

    def __init__(self, connection: sqlite3.Connection, now_s: int) -> None:
        self._connection = connection
        self._now_s = now_s
        self._heads: dict[int, _Head] = {}

    def append(self, entries: Sequence[Entry]) -> list[int]:
        """Append entries in order and return their offsets."""
        rows: list[tuple[int, int, int, bytes, bytes | None]] = []
        offsets: list[int] = []
        for entry in entries:
            head = self._heads.get(entry.number) or self._head(entry.number)
            offset = head.next_offset
            head.next_offset += 1
            if not entry.compacted:
                head.bytes += len(entry.key) + len(entry.value or b"")
            offsets.append(offset)
            record = entry.number << OFFSET_BITS | offset
            rows.append((record, self._now_s, entry.timestamp_us, entry.key, entry.value))
        self._connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", rows)
        for entry, offset in zip(entries, offsets, strict=True):
            if entry.compacted:
                self._supersede(entry, offset)
        return offsets

    def store_positions(self, group: str, positions: Mapping[int, int]) -> None:
        """Store a group's next offset of each partition (by its number)."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
            [(group, number, offset) for number, offset in positions.items()],
        )

    def commit(self) -> None:
        """Write the partition ends and commit."""
        self._connection.executemany(
            "UPDATE partitions SET next_offset = ?, bytes = ? WHERE tp = ?",
            [(head.next_offset, head.bytes, number) for number, head in self._heads.items()],
        )
        self._connection.execute("COMMIT")

    def _head(self, number: int) -> _Head:
        row: tuple[int, int] = self._connection.execute(
            "SELECT next_offset, bytes FROM partitions WHERE tp = ?", (number,)
        ).fetchone()
        head = self._heads[number] = _Head(*row)
        return head

    def _supersede(self, entry: Entry, offset: int) -> None:
        """Remove the record that this one replaces, at once: a compacted topic stays small."""
        older: tuple[int] | None = self._connection.execute(
            "SELECT record_offset FROM newest WHERE tp = ? AND key = ?", (entry.number, entry.key)
        ).fetchone()
        if older is not None:
            self._connection.execute(
                "DELETE FROM records WHERE id = ?", (entry.number << OFFSET_BITS | older[0],)
            )
        removed_s = self._now_s if entry.value is None else None
        self._connection.execute(
            "INSERT OR REPLACE INTO newest VALUES (?, ?, ?, ?)",
            (entry.number, entry.key, offset, removed_s),
        )
