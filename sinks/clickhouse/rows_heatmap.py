"""Heat maps to columns of `heatmap_log`: one row an instrument and second, its rows as arrays."""

from collections.abc import Sequence
from typing import Any

from schemas.heatmap import HEATMAP_SCHEMA, HeatColumn, HeatmapStep, HeatRow
from sinks.clickhouse.derived import HEADER, Columns, arrays, header_of, transposed
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    day_of,
    reader,
)

_ROW: Columns = (("ticks", "Int64"), ("usd_cents", "Int64"))
_TABLE = TupleTable(
    "heatmap_log",
    (
        ("step_start", TIME),
        ("row_size", GRID),
        ("row_ticks", "Int64"),
        ("tick", GRID),
        *HEADER,
        ("venue", TEXT),
        ("symbol", TEXT),
        *arrays("bids", _ROW),
        *arrays("asks", _ROW),
        ("bid_deepest_ticks", "Nullable(Int64)"),
        ("ask_deepest_ticks", "Nullable(Int64)"),
        ("null_reason", TEXT),
    ),
)
_NO_ROWS: Sequence[HeatRow] = ()
_read = reader(HeatmapStep, HEATMAP_SCHEMA)


def heatmap_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one second into a row per instrument, one without a column has the reason instead.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    step = _read(value)
    head = (
        step.step_start_us,
        scaled(step.row_size),
        step.row_ticks,
        scaled(step.tick),
        *header_of(step, source),
    )
    rows = [(*head, *_column(column)) for column in step.columns]
    rows += [(*head, *_nothing(*item)) for item in step.null_reasons.items()]
    return [Piece(_TABLE, day_of(step.step_start_us), source, rows)] if rows else []


def _column(column: HeatColumn) -> tuple[Any, ...]:
    return (
        column.venue,
        column.symbol,
        *transposed(column.bids, _ROW),
        *transposed(column.asks, _ROW),
        column.bid_deepest_ticks,
        column.ask_deepest_ticks,
        "",
    )


def _nothing(name: str, reason: str) -> tuple[Any, ...]:
    venue, _, symbol = name.partition(":")
    empty = transposed(_NO_ROWS, _ROW)
    return (venue, symbol, *empty, *empty, None, None, reason)
