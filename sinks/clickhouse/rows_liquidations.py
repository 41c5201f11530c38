"""Liquidations as the venues tell them to columns of `liquidations_log`, one row each."""

from typing import Any

from schemas.liquidations import (
    BACKLOG,
    LIQUIDATIONS_SCHEMA,
    ORDER_PRICE,
    LiquidatedSide,
    LiquidationBatch,
)
from sinks.clickhouse.derived import LIQUIDATED_SIDE
from sinks.clickhouse.native import scaled
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
    month_of,
    reader,
)

_LAST_REVISION = (1 << 64) - 1
_TABLE = TupleTable(
    "liquidations_log",
    (
        ("asset", TEXT),
        ("venue", TEXT),
        ("kind", KIND),
        ("symbol", TEXT),
        ("quote", TEXT),
        ("revision", "UInt64"),
        ("lot", GRID),
        ("price_kind", TEXT),
        ("unit", TEXT),
        ("sampling_class", TEXT),
        ("method", TEXT),
        ("stream", TEXT),
        ("session", TEXT),
        ("sequence", "Int64"),
        ("receive_time", TIME),
        ("watermark_time", TIME),
        ("clock_skew_us", "Int64"),
        ("feed_state", TEXT),
        *LINEAGE,
        ("event_time", TIME),
        ("price", GRID),
        ("qty_lots", "Int64"),
        ("liquidated_side", LIQUIDATED_SIDE),
        ("occurrence", "Int64"),
        ("is_backlog", "Bool"),
        ("is_order_price", "Bool"),
    ),
)
_read = reader(LiquidationBatch, LIQUIDATIONS_SCHEMA)


def liquidation_pieces(value: bytes, source: Source) -> list[Piece]:
    """Split one batch by month of the liquidations; one without any has no rows.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    batch = _read(value)
    if not batch.rows:
        return []
    head = _head(batch, source)
    by_month: dict[int, list[tuple[Any, ...]]] = {}
    for time_us, price, lots, side, occurrence, flags in batch.rows:
        row = (
            *head,
            time_us,
            scaled(price),
            lots,
            LiquidatedSide(side),
            occurrence,
            flags & BACKLOG != 0,
            flags & ORDER_PRICE != 0,
        )
        by_month.setdefault(month_of(time_us), []).append(row)
    return [Piece(_TABLE, month, source, rows) for month, rows in by_month.items()]


def _head(batch: LiquidationBatch, source: Source) -> tuple[Any, ...]:
    return (
        batch.asset,
        batch.venue,
        KINDS[batch.kind],
        batch.symbol,
        batch.quote,
        # The table keeps the row with the largest revision, and shall keep the earliest receipt.
        _LAST_REVISION - source.revision,
        scaled(batch.lot),
        batch.price_kind.value,
        batch.unit.value,
        batch.sampling_class.value,
        batch.method,
        batch.stream,
        batch.session,
        batch.sequence,
        batch.receive_time_us,
        batch.watermark_us,
        batch.clock_skew_us,
        batch.feed_state.value,
        source.partition,
        source.offset,
    )
