"""Estimated levels and trapped positions to columns: one row a map, its price rows as arrays."""

from operator import attrgetter
from typing import Any

from schemas.liquidation_levels import LIQUIDATION_LEVELS_SCHEMA, LiquidationLevels
from schemas.trapped import TRAPPED_SCHEMA, TrappedPositions
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    LIQUIDATED_SIDE,
    completeness_of,
    header_of,
    transposed,
)
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import GRID, TEXT, TIME, Piece, Source, TupleTable, month_of, reader

_MAP = (
    ("kind", TEXT),
    ("minute_start", TIME),
    ("map_start", TIME),
    ("tick", GRID),
    ("lot", GRID),
    ("row_size_ticks", "Int64"),
    ("venues", "Array(String)"),
    *COMPLETENESS,
)
_LEVELS = (
    ("open_interest_start_lots", "Nullable(Int64)"),
    ("change_lots", "Nullable(Int64)"),
    ("placed_lots", "Int64"),
    ("skipped_minutes", "Int64"),
    ("long_usd_cents", "Int64"),
    ("short_usd_cents", "Int64"),
    ("null_reasons", "Map(String, String)"),
)
_TRAPPED = (
    ("price_ticks", "Nullable(Int64)"),
    ("open_interest_lots", "Nullable(Int64)"),
    ("change_lots", "Nullable(Int64)"),
    ("move", "Nullable(Int64)"),
    ("placed_lots", "Int64"),
    ("skipped_minutes", "Int64"),
    ("long_usd_cents", "Nullable(Int64)"),
    ("short_usd_cents", "Nullable(Int64)"),
    ("null_reasons", "Map(String, String)"),
)
_LEVEL_ROWS = (
    ("rows_ticks", "Array(Int64)"),
    ("rows_side", f"Array({LIQUIDATED_SIDE})"),
    ("rows_est_usd_cents", "Array(Int64)"),
    ("rows_low_usd_cents", "Array(Int64)"),
    ("rows_high_usd_cents", "Array(Int64)"),
    ("rows_since_time", f"Array({TIME})"),
)
_TRAPPED_ROWS = (
    ("rows_ticks", "Array(Int64)"),
    ("rows_side", f"Array({LIQUIDATED_SIDE})"),
    ("rows_est_usd_cents", "Array(Int64)"),
    ("rows_loss_usd_cents", "Array(Int64)"),
    ("rows_share", "Array(Nullable(Float64))"),
    ("rows_since_time", f"Array({TIME})"),
)
_LEVELS_TABLE = TupleTable("liquidation_levels_log", (*HEADER, *_MAP, *_LEVELS, *_LEVEL_ROWS))
_TRAPPED_TABLE = TupleTable("trapped_log", (*HEADER, *_MAP, *_TRAPPED, *_TRAPPED_ROWS))
_levels = attrgetter(*(name for name, _ in _LEVELS))
_trapped = attrgetter(*(name for name, _ in _TRAPPED))
_read_levels = reader(LiquidationLevels, LIQUIDATION_LEVELS_SCHEMA)
_read_trapped = reader(TrappedPositions, TRAPPED_SCHEMA)


def level_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one map of estimated liquidation levels into its row.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    found = _read_levels(value)
    rows = transposed(found.rows, _LEVEL_ROWS)
    row = (*header_of(found, source), *_map(found), *_levels(found), *rows)
    return [Piece(_LEVELS_TABLE, month_of(found.minute_start_us), source, (row,))]


def trapped_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one map of estimated trapped positions into its row.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    found = _read_trapped(value)
    rows = transposed(found.rows, _TRAPPED_ROWS)
    row = (*header_of(found, source), *_map(found), *_trapped(found), *rows)
    return [Piece(_TRAPPED_TABLE, month_of(found.minute_start_us), source, (row,))]


def _map(found: LiquidationLevels | TrappedPositions) -> tuple[Any, ...]:
    return (
        found.kind,
        found.minute_start_us,
        found.map_start_us,
        scaled(found.tick),
        scaled(found.lot),
        found.row_size_ticks,
        found.venues,
        *completeness_of(found.completeness),
    )
