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
from schemas.topics import (
    ALERTS,
    BARS,
    BOOKS,
    CASCADES,
    CONTEXT,
    CVD,
    CVD_STRUCTURE,
    EVENTS,
    FOOTPRINTS,
    HEATMAP,
    IMBALANCE,
    INSTRUMENTS,
    LIQUIDATION_FLOW,
    LIQUIDATION_LEVELS,
    LIQUIDATIONS,
    OUTCOMES,
    PROFILES,
    QUALITY,
    SETUPS,
    TICKERS,
    TRADES,
    TRAPPED,
)
from sinks.clickhouse.native import block
from sinks.clickhouse.rows import Piece, Source
from sinks.clickhouse.rows_alerts import alert_pieces
from sinks.clickhouse.rows_bars import bar_pieces
from sinks.clickhouse.rows_books import book_pieces
from sinks.clickhouse.rows_cascades import cascade_pieces
from sinks.clickhouse.rows_context import context_pieces
from sinks.clickhouse.rows_cvd import cvd_pieces
from sinks.clickhouse.rows_cvd_structure import cvd_structure_pieces
from sinks.clickhouse.rows_estimates import level_pieces, trapped_pieces
from sinks.clickhouse.rows_events import event_pieces
from sinks.clickhouse.rows_footprints import footprint_pieces
from sinks.clickhouse.rows_heatmap import heatmap_pieces
from sinks.clickhouse.rows_imbalance import imbalance_pieces
from sinks.clickhouse.rows_liquidation_flow import liquidation_flow_pieces
from sinks.clickhouse.rows_liquidations import liquidation_pieces
from sinks.clickhouse.rows_profiles import profile_pieces
from sinks.clickhouse.rows_reference import instrument_pieces, quality_pieces
from sinks.clickhouse.rows_setups import outcome_pieces, setup_pieces
from sinks.clickhouse.rows_tickers import ticker_pieces
from sinks.clickhouse.rows_trades import trade_pieces

SPLITTERS = {
    TRADES.name: trade_pieces,
    BOOKS.name: book_pieces,
    LIQUIDATIONS.name: liquidation_pieces,
    TICKERS.name: ticker_pieces,
    INSTRUMENTS.name: instrument_pieces,
    FOOTPRINTS.name: footprint_pieces,
    CVD.name: cvd_pieces,
    EVENTS.name: event_pieces,
    CASCADES.name: cascade_pieces,
    LIQUIDATION_FLOW.name: liquidation_flow_pieces,
    CONTEXT.name: context_pieces,
    LIQUIDATION_LEVELS.name: level_pieces,
    TRAPPED.name: trapped_pieces,
    SETUPS.name: setup_pieces,
    OUTCOMES.name: outcome_pieces,
    QUALITY.name: quality_pieces,
    BARS.name: bar_pieces,
    PROFILES.name: profile_pieces,
    CVD_STRUCTURE.name: cvd_structure_pieces,
    IMBALANCE.name: imbalance_pieces,
    HEATMAP.name: heatmap_pieces,
    ALERTS.name: alert_pieces,
}
"""The topics that are stored, and how a record of each becomes pieces."""

# Of SHA-256, for which processors have instructions: a third of the time of BLAKE2b.
_HASH_DIGITS = 32


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
        content = hashlib.sha256(data).hexdigest()[:_HASH_DIGITS]
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
        return [Insert(self.key[0], _newest(pieces)) for pieces in groups.values()]


def _newest(pieces: list[Piece]) -> list[Piece]:
    """Leave out what a later piece replaces."""
    last = {piece.replaces: piece for piece in pieces}
    return [piece for piece in pieces if piece.replaces is None or last[piece.replaces] is piece]


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
