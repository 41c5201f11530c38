"""Trade batches to columns of `trades_log`, the one path that must be fast.

What is constant in a batch is encoded once and repeated; only six columns are made row by row.
"""

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import NamedTuple

from schemas.market import CLASS_MASK, OFF_GRID, DataSource
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow
from schemas.units import US_PER_DAY
from sinks.clickhouse.native import Column, column, repeated, scaled, strings
from sinks.clickhouse.rows import GRID, KIND, KINDS, TEXT, TIME, Piece, Source, day_of, reader

_SOURCES = {DataSource.STREAM: 1, DataSource.REST: 2, DataSource.DUMP: 3}
_LAST_REVISION = (1 << 64) - 1
_WIDTH = 6
_LONG_RECORD = 16
_CLASS_BYTES = bytes(flags & CLASS_MASK for flags in range(256))
_OFF_GRID_BYTES = bytes(flags & OFF_GRID != 0 for flags in range(256))
_read = reader(TradeBatch, TRADES_SCHEMA)


class _Constants(NamedTuple):
    """What all rows of one record have in common, in the order of `_CONSTANT_TYPES`."""

    asset: str
    venue: str
    kind: int
    symbol: str
    revision: int
    quote: str
    tick: int
    lot: int
    source: int
    stream: str
    session: str
    receive_time: int
    log_partition: int
    log_offset: int


_CONSTANT_TYPES = (
    *(TEXT, TEXT, KIND, TEXT),
    *("UInt64", TEXT, GRID, GRID, "Enum8('stream' = 1, 'rest' = 2, 'dump' = 3)"),
    *(TEXT, TEXT, TIME, "UInt32", "Int64"),
)
_SIDE = "Enum8('buy' = 1, 'sell' = -1, 'unknown' = 0)"
_CLASS = (
    "Enum8('market' = 0, 'rpi' = 1, 'liquidation' = 2, 'adl' = 3, 'insurance' = 4, 'block' = 5,"
    " 'unknown' = 6)"
)


class _Rows(list[TradeRow]):
    """Rows of one record on one day, with what they have in common."""

    __slots__ = ("constants",)

    def __init__(self, rows: Sequence[TradeRow], constants: _Constants) -> None:
        super().__init__(rows)
        self.constants = constants


class TradesTable:
    """`trades_log`; its pieces hold `TradeRow`s."""

    name = "trades_log"

    def encode(self, pieces: Sequence[Piece]) -> list[Column]:
        """Turn pieces into columns."""
        counts = [len(piece.rows) for piece in pieces]
        constants = zip(*(_constants(piece) for piece in pieces), strict=True)
        columns = [
            repeated(name, type_, values, counts)
            for name, type_, values in zip(
                _Constants._fields, _CONSTANT_TYPES, constants, strict=True
            )
        ]
        # Slices of one flat list: `zip(*rows)` would make an iterator for each trade.
        flat = list(chain.from_iterable(chain.from_iterable(piece.rows for piece in pieces)))
        event, price, qty, side, ids, flags = (flat[place::_WIDTH] for place in range(_WIDTH))
        flag_bytes = bytes(flags)
        return [
            *columns,
            column("event_time", TIME, event),
            column("price_ticks", "Int64", price),
            column("qty_lots", "Int64", qty),
            column("side", _SIDE, side),
            Column("trade_id", "String", _texts(ids, counts)),
            Column("order_class", _CLASS, flag_bytes.translate(_CLASS_BYTES)),
            Column("off_grid", "Bool", flag_bytes.translate(_OFF_GRID_BYTES)),
        ]


def _texts(ids: Sequence[int | str], counts: Sequence[int]) -> bytes:
    """Encode ids: those of one record mostly have one length, which pays for long records."""
    texts = list(map(str, ids))
    if len(texts) < _LONG_RECORD * len(counts):
        return strings(texts)
    ends = accumulate(counts)
    runs = [texts[end - count : end] for end, count in zip(ends, counts, strict=True)]
    return b"".join(map(strings, runs))


def _constants(piece: Piece) -> _Constants:
    rows = piece.rows
    if not isinstance(rows, _Rows):
        raise TypeError(f"expected trade rows, was {type(rows).__name__}")
    return rows.constants


_TABLE = TradesTable()


def trade_pieces(value: bytes, source: Source) -> list[Piece]:
    """Split one batch by day of the trades; a batch without trades has no rows.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    return pieces_of(_read(value), source)


def pieces_of(batch: TradeBatch, source: Source) -> list[Piece]:
    """Split one batch that was read, as `trade_pieces`.

    Raises:
        ValueError: a time is beyond all bounds.
    """
    if not batch.rows:
        return []
    constants = _constants_of(batch, source)
    times = [row[0] for row in batch.rows]
    first, last = day_of(min(times)), day_of(max(times))
    if first == last:
        return [Piece(_TABLE, first, source, _Rows(batch.rows, constants))]
    by_day: dict[int, list[TradeRow]] = {}
    for row in batch.rows:
        by_day.setdefault(row[0] // US_PER_DAY, []).append(row)
    return [Piece(_TABLE, day, source, _Rows(rows, constants)) for day, rows in by_day.items()]


def _constants_of(batch: TradeBatch, source: Source) -> _Constants:
    return _Constants(
        asset=batch.asset,
        venue=batch.venue,
        kind=KINDS[batch.kind],
        symbol=batch.symbol,
        # The table keeps the row with the largest revision, and shall keep the earliest receipt.
        revision=_LAST_REVISION - source.revision,
        quote=batch.quote,
        tick=scaled(batch.tick),
        lot=scaled(batch.lot),
        source=_SOURCES[batch.source],
        stream=batch.stream,
        session=batch.session,
        receive_time=batch.receive_time_us,
        log_partition=source.partition,
        log_offset=source.offset,
    )
