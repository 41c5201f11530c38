"""Books to columns of `books_log`: the last of each second, with its levels and bands as arrays.

A record says with `replaces` which second of which instrument it is, and of those that are flushed
together only the last goes to the store. So only the head of a record is read first; the rest is
read as columns are made.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.books import BOOKS_SCHEMA, BookBatch
from schemas.market import Kind
from schemas.units import US_PER_SECOND
from sinks.clickhouse.native import Column, scaled
from sinks.clickhouse.rows import (
    GRID,
    KIND,
    KINDS,
    LINEAGE,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    day_of,
    reader,
)

_LEVELS = (
    ("bids_ticks", "Array(Int64)"),
    ("bids_lots", "Array(Int64)"),
    ("asks_ticks", "Array(Int64)"),
    ("asks_lots", "Array(Int64)"),
)
_BANDS = tuple(
    (f"bands_{name}", "Array(Int64)")
    for name in (
        "half_width_bp", "bid_lots", "ask_lots", "bid_tick_lots", "ask_tick_lots", "coverage",
    )
)  # fmt: skip
_COLUMNS = TupleTable(
    "books_log",
    (
        ("asset", TEXT),
        ("venue", TEXT),
        ("kind", KIND),
        ("symbol", TEXT),
        ("second_start", TIME),
        ("revision", "UInt64"),
        ("quote", TEXT),
        ("tick", GRID),
        ("lot", GRID),
        ("event_time", f"Nullable({TIME})"),
        ("receive_time", TIME),
        ("watermark_time", TIME),
        ("clock_skew_us", "Int64"),
        ("feed_state", TEXT),
        ("stream", TEXT),
        ("session", TEXT),
        ("sequence", "Int64"),
        ("update_id", "Int64"),
        ("book_epoch", "Int64"),
        ("book_valid", "Bool"),
        ("book_state", TEXT),
        *_LEVELS,
        *_BANDS,
        ("bid_levels", "Int64"),
        ("ask_levels", "Int64"),
        ("top_stream", TEXT),
        ("top_epoch", "Int64"),
        *LINEAGE,
    ),
)


class _Head(msgspec.Struct, frozen=True):
    """What of a book decides where it goes."""

    schema: str
    venue: str
    kind: Kind
    symbol: str
    receive_time_us: int
    event_time_us: int


_read_head = reader(_Head, BOOKS_SCHEMA)
_read = reader(BookBatch, BOOKS_SCHEMA)


class BooksTable:
    """`books_log`; its pieces hold the records as they are in the log."""

    name = _COLUMNS.name

    def encode(self, pieces: Sequence[Piece]) -> list[Column]:
        """Turn pieces into columns."""
        return _COLUMNS.encode(
            [
                piece._replace(rows=[_row(_read(value), piece.source) for value in piece.rows])
                for piece in pieces
            ]
        )


_TABLE = BooksTable()


def book_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one book into the row of its second.

    A book that has no time of the venue's, because there is none, counts when it was received.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    head = _read_head(value)
    second_us = _second_of(head)
    replaces = (head.venue, head.kind, head.symbol, second_us)
    return [Piece(_TABLE, day_of(second_us), source, (value,), replaces)]


def _second_of(head: _Head | BookBatch) -> int:
    time_us = head.event_time_us or head.receive_time_us
    return time_us - time_us % US_PER_SECOND


def _row(batch: BookBatch, source: Source) -> tuple[Any, ...]:
    return (
        batch.asset,
        batch.venue,
        KINDS[batch.kind],
        batch.symbol,
        _second_of(batch),
        source.revision,
        batch.quote,
        scaled(batch.tick),
        scaled(batch.lot),
        batch.event_time_us or None,
        batch.receive_time_us,
        batch.watermark_us,
        batch.clock_skew_us,
        batch.feed_state.value,
        batch.stream,
        batch.session,
        batch.sequence,
        batch.update_id,
        batch.book_epoch,
        batch.book_valid,
        batch.book_state.value,
        *_columns_of(batch.bids, 2),
        *_columns_of(batch.asks, 2),
        *_columns_of(batch.bands, len(_BANDS)),
        batch.bid_levels,
        batch.ask_levels,
        batch.top_stream,
        batch.top_epoch,
        source.partition,
        source.offset,
    )


def _columns_of(rows: Sequence[tuple[int, ...]], width: int) -> Sequence[Sequence[int]]:
    return list(zip(*rows, strict=True)) if rows else ((),) * width
