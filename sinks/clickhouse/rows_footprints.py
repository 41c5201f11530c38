"""Footprint bars to columns of `footprints_log`: one row a bar, its price rows as arrays."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec

from schemas.footprints import FOOTPRINT_SCHEMA, FootprintBar, Row, Stack, ValueArea
from sinks.clickhouse.derived import COMPLETENESS, SERIES, completeness_of
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    INPUTS,
    LINEAGE,
    SCOPES,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    inputs_of,
    month_of,
    reader,
)

_IDENTITY = (
    ("asset", TEXT),
    *SERIES,
    ("interval_seconds", "UInt32"),
    ("row_size", GRID),
    ("bar_start", TIME),
    ("bar_end", TIME),
    ("revision", "UInt64"),
    ("log_time", TIME),
    ("tick", GRID),
    ("lot", GRID),
)
_PLAIN = (
    ("version", "UInt32"),
    ("is_final", "Bool"),
    ("reason", TEXT),
    ("method", TEXT),
    ("params", TEXT),
    ("row_ticks", "Int64"),
    ("open_ticks", "Nullable(Int64)"),
    ("high_ticks", "Nullable(Int64)"),
    ("low_ticks", "Nullable(Int64)"),
    ("close_ticks", "Nullable(Int64)"),
    ("ref_close_ticks", "Nullable(Int64)"),
    ("vwap", "Nullable(Float64)"),
    ("buy_lots", "Int64"),
    ("sell_lots", "Int64"),
    ("unknown_lots", "Int64"),
    ("excluded_lots", "Map(String, Int64)"),
    ("delta_lots", "Int64"),
    ("delta_min_lots", "Nullable(Int64)"),
    ("delta_max_lots", "Nullable(Int64)"),
    ("delta_since_high_lots", "Nullable(Int64)"),
    ("delta_since_low_lots", "Nullable(Int64)"),
    ("trades_buy", "Int64"),
    ("trades_sell", "Int64"),
    ("trades_unknown", "Int64"),
    ("buy_usd_cents", "Int64"),
    ("sell_usd_cents", "Int64"),
    ("poc_ticks", "Nullable(Int64)"),
    ("imbalances_valid", "Bool"),
    ("unfinished_high", "Nullable(Bool)"),
    ("unfinished_low", "Nullable(Bool)"),
    ("exhaustion_high", "Nullable(Bool)"),
    ("exhaustion_low", "Nullable(Bool)"),
    ("ratio_high", "Nullable(Float64)"),
    ("ratio_low", "Nullable(Float64)"),
    ("null_reasons", "Map(String, String)"),
)
"""Columns that are fields of the record by name and value."""

_ROWS = tuple(
    (f"rows_{field.removeprefix('row_')}", "Array(Int64)") for field in Row.__struct_fields__
)
_AREAS = (
    ("value_area_method", "Array(String)"),
    ("value_area_val_ticks", "Array(Int64)"),
    ("value_area_vah_ticks", "Array(Int64)"),
    ("value_area_share", "Array(Float64)"),
)
_STACKS = tuple(
    (f"{name}_{field}", "Array(Nullable(Float64))" if "ratio" in field else "Array(Int64)")
    for name in ("stacks", "stacks_h")
    for field in Stack.__struct_fields__
)

_TABLE = TupleTable(
    "footprints_log",
    (*_IDENTITY, *COMPLETENESS, *_PLAIN, *_ROWS, *_AREAS, *_STACKS, *INPUTS, *LINEAGE),
)
_plain = attrgetter(*(name for name, _ in _PLAIN))
_read = reader(FootprintBar, FOOTPRINT_SCHEMA)


def footprint_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one bar into its row.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    bar = _read(value)
    row = (
        *_identity(bar),
        *completeness_of(bar.completeness),
        *_plain(bar),
        *_transposed(bar.rows, len(_ROWS)),
        *_areas(bar.value_areas),
        *_transposed(bar.stacks, len(_STACKS) // 2),
        *_transposed(bar.stacks_h, len(_STACKS) // 2),
        *inputs_of(bar.inputs),
        source.partition,
        source.offset,
    )
    return [Piece(_TABLE, month_of(bar.bar_start_us), source, (row,))]


def _identity(bar: FootprintBar) -> tuple[Any, ...]:
    return (
        bar.asset,
        SCOPES[bar.scope],
        bar.venue,
        bar.symbol,
        bar.interval_seconds,
        scaled(bar.row_size),
        bar.bar_start_us,
        bar.bar_end_us,
        bar.revision,
        bar.log_time_us,
        scaled(bar.tick),
        scaled(bar.lot),
    )


def _areas(areas: dict[str, ValueArea]) -> tuple[Any, ...]:
    return (
        list(areas),
        [area.val_ticks for area in areas.values()],
        [area.vah_ticks for area in areas.values()],
        [area.share for area in areas.values()],
    )


def _transposed(items: Sequence[msgspec.Struct], width: int) -> Sequence[Sequence[Any]]:
    if not items:
        return ((),) * width
    return list(zip(*map(msgspec.structs.astuple, items), strict=True))
