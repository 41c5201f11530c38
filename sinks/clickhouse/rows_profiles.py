"""Volume profiles to columns of `profiles_log`: one row a profile, its price rows as arrays."""

from operator import attrgetter
from typing import Any

from schemas.profiles import PROFILE_SCHEMA, CommonProfile, VolumeProfile
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    SERIES,
    arrays,
    completeness_of,
    header_of,
    nullable,
    transposed,
    values_of,
)
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    SCOPES,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    month_of,
    reader,
)

_TIMES = ("window_start", "window_end", "until_time")
_PLAIN = (
    ("window", TEXT),
    ("row_ticks", "Int64"),
    ("buy_lots", "Int64"),
    ("sell_lots", "Int64"),
    ("unknown_lots", "Int64"),
    ("trades", "Int64"),
    ("vwap", "Nullable(Float64)"),
    ("high_ticks", "Nullable(Int64)"),
    ("low_ticks", "Nullable(Int64)"),
    ("poc_ticks", "Nullable(Int64)"),
    ("null_reasons", "Map(String, String)"),
)
"""Columns that are fields of the record by name and value."""

_AREA = (("val_ticks", "Int64"), ("vah_ticks", "Int64"), ("value_area_share", "Float64"))
_ROW = (
    ("ticks", "Int64"),
    ("sell_lots", "Int64"),
    ("buy_lots", "Int64"),
    ("unknown_lots", "Int64"),
)
_NODE = (
    ("low_ticks", "Int64"),
    ("high_ticks", "Int64"),
    ("row_ticks", "Int64"),
    ("lots", "Int64"),
    ("prominence", "Float64"),
)
_COMMON = (
    ("sell_lots", "Int64"),
    ("buy_lots", "Int64"),
    ("unknown_lots", "Int64"),
    ("poc_ticks", "Int64"),
    *_AREA,
)
_PRIOR = (
    ("session_start", TIME),
    ("poc_ticks", "Int64"),
    ("val_ticks", "Int64"),
    ("vah_ticks", "Int64"),
    ("high_ticks", "Int64"),
    ("low_ticks", "Int64"),
)
_NAKED = (
    ("low_ticks", "Int64"),
    ("high_ticks", "Int64"),
    ("session_start", TIME),
    ("all_seen", "Bool"),
)
_VALUE_AREA = tuple((name, f"Nullable({type_})") for name, type_ in _AREA)
_TABLE = TupleTable(
    "profiles_log",
    (
        *SERIES,
        ("tick", GRID),
        ("lot", GRID),
        ("row_size", GRID),
        *((name, TIME) for name in _TIMES),
        *HEADER,
        *COMPLETENESS,
        *_PLAIN,
        *_VALUE_AREA,
        *arrays("rows", _ROW),
        *arrays("high_nodes", _NODE),
        *arrays("low_nodes", _NODE),
        ("common_venues", "Array(String)"),
        *nullable("common", _COMMON),
        *nullable("prior", _PRIOR),
        *arrays("naked", _NAKED),
    ),
)
_times = attrgetter(*(f"{name}_us" for name in _TIMES))
_plain = attrgetter(*(name for name, _ in _PLAIN))
_read = reader(VolumeProfile, PROFILE_SCHEMA)


def profile_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one profile into its row.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    profile = _read(value)
    row = (
        SCOPES[profile.scope],
        profile.venue,
        profile.symbol,
        scaled(profile.tick),
        scaled(profile.lot),
        scaled(profile.row_size),
        *_times(profile),
        *header_of(profile, source),
        *completeness_of(profile.completeness),
        *_plain(profile),
        *values_of(profile.value_area, _AREA),
        *transposed(profile.rows, _ROW),
        *transposed(profile.high_nodes, _NODE),
        *transposed(profile.low_nodes, _NODE),
        *_common(profile.common),
        *values_of(profile.prior, _PRIOR),
        *transposed(profile.naked_pocs, _NAKED),
    )
    return [Piece(_TABLE, month_of(profile.window_start_us), source, (row,))]


def _common(common: CommonProfile | None) -> tuple[Any, ...]:
    if common is None:
        return ((), *values_of(None, _COMMON))
    return (
        common.venues,
        common.sell_lots,
        common.buy_lots,
        common.unknown_lots,
        common.poc_ticks,
        *values_of(common.value_area, _AREA),
    )
