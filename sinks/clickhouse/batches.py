"""Cutting what was read into inserts: contiguous offsets, of one partition, to one table partition.

Pure. A range gathers the records of one topic partition since its last flush; its inserts are the
pieces of those records, put together per table and table partition, so that every insert is one
atomic block. The token of a block names the range and its content: a repeated insert is known by
it, and other content never passes for it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from runtime.bus.protocol import Record, TopicPartition
from runtime.errors import PayloadError
from schemas.ops import PAYLOAD_LIMIT_BYTES, DeadLetter
from schemas.topics import CVD, FOOTPRINTS, INSTRUMENTS, OUTCOMES, QUALITY, SETUPS, TRADES
from sinks.clickhouse.native import block
from sinks.clickhouse.rows import Piece, Source
from sinks.clickhouse.rows_cvd import cvd_pieces
from sinks.clickhouse.rows_footprints import footprint_pieces
from sinks.clickhouse.rows_reference import instrument_pieces, quality_pieces
from sinks.clickhouse.rows_setups import outcome_pieces, setup_pieces
from sinks.clickhouse.rows_trades import trade_pieces

SPLITTERS = {
    TRADES.name: trade_pieces,
    INSTRUMENTS.name: instrument_pieces,
    FOOTPRINTS.name: footprint_pieces,
    CVD.name: cvd_pieces,
    SETUPS.name: setup_pieces,
    OUTCOMES.name: outcome_pieces,
    QUALITY.name: quality_pieces,
}
"""The topics that are stored, and how a record of each becomes pieces."""

_HASH_BYTES = 16
_DETAIL_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Block:
    """One insert as it is sent, and sent again."""

    table: str
    names: tuple[str, ...]
    data: bytes
    rows: int
    token: str


@dataclass(frozen=True, slots=True)
class Insert:
    """Pieces of one topic partition, in the order of their offsets, for one table partition."""

    topic: str
    pieces: Sequence[Piece]

    def halves(self) -> tuple["Insert", "Insert"]:
        """Cut in two by records."""
        middle = len(self.pieces) // 2
        return Insert(self.topic, self.pieces[:middle]), Insert(self.topic, self.pieces[middle:])

    def build(self) -> Block:
        """Encode the rows.

        Raises:
            PayloadError: a value does not fit its column.
        """
        first, last = self.pieces[0].source, self.pieces[-1].source
        table = self.pieces[0].table
        try:
            columns = table.encode(self.pieces)
        except (OverflowError, TypeError, ValueError, AttributeError) as error:
            raise PayloadError("unstorable", str(error)) from error
        rows = sum(len(piece.rows) for piece in self.pieces)
        data = block(columns, rows)
        content = hashlib.blake2b(data, digest_size=_HASH_BYTES).hexdigest()
        place = f"{self.topic}/{first.epoch}/{first.partition}/{first.offset}-{last.offset}"
        names = tuple(item.name for item in columns)
        return Block(table.name, names, data, rows, f"{table.name}/{place}/{content}")


@dataclass(slots=True)
class Range:
    """The records of one topic partition that were read and are not stored yet."""

    key: TopicPartition
    since_seconds: float
    next_offset: int = 0
    rows: int = 0
    size_bytes: int = 0
    records: dict[int, Record] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)

    def add(self, record: Record, pieces: Sequence[Piece]) -> None:
        """Take a record that became these pieces, or none."""
        self.next_offset = record.offset + 1
        if pieces:
            self.records[record.offset] = record
            self.pieces.extend(pieces)
            self.rows += sum(len(piece.rows) for piece in pieces)
            self.size_bytes += len(record.value or b"")

    def inserts(self) -> list[Insert]:
        """Return the inserts of this range, in the order in which they first have a row."""
        groups: dict[tuple[str, int], list[Piece]] = {}
        for piece in self.pieces:
            groups.setdefault((piece.table.name, piece.part), []).append(piece)
        return [Insert(self.key[0], pieces) for pieces in groups.values()]


def split(record: Record, epoch: int) -> list[Piece]:
    """Turn a record into its pieces; a tombstone has none.

    Raises:
        PayloadError: the record is not what its topic holds.
    """
    if record.value is None:
        return []
    try:
        source = Source(epoch, record.partition, record.offset)
        return SPLITTERS[record.topic](record.value, source)
    except (msgspec.MsgspecError, ValueError) as error:
        raise PayloadError("undecodable", str(error)) from error


def dead_letter(record: Record, reason: str, detail: str) -> DeadLetter:
    """Describe a record that cannot be stored, with its beginning; its time is the record's."""
    value = record.value or b""
    return DeadLetter(
        origin=f"{record.topic}/{record.partition}/{record.offset}",
        reason=reason,
        detail=detail[:_DETAIL_CHARACTERS],
        receive_time_us=record.timestamp_us,
        size_bytes=len(value),
        payload=value[:PAYLOAD_LIMIT_BYTES].decode("utf-8", "replace"),
    )
