"""CVD structure to columns of `cvd_structure_log` (a row a series) and `convictions_log`."""

from typing import Any

import msgspec

from schemas.cvd import Cumulative
from schemas.cvd_structure import (
    CVD_STRUCTURE_SCHEMA,
    SIZE_CLASSES_USD,
    Conviction,
    CvdStructure,
    CvdStructureSeries,
    ResetSeries,
    SizeClass,
)
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    SERIES,
    Columns,
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

_MINUTE: Columns = tuple((name, "Int64") for name in Cumulative.__struct_fields__)
_CANDLE: Columns = tuple(
    (f"{price}_{unit}", "Nullable(Int64)")
    for unit in ("lots", "usd_cents")
    for price in ("open", "high", "low", "close")
)
_RESETS: Columns = (
    ("reset", "String"),
    ("anchor_time", TIME),
    ("intact", "Bool"),
    ("venues", "Array(String)"),
    *_CANDLE,
)
_SIZES: Columns = tuple((name, "Int64") for name in SizeClass.__struct_fields__)
_SHARES: Columns = (
    ("window_seconds", "Int64"),
    ("delta_lots", "Nullable(Int64)"),
    ("share", "Nullable(Float64)"),
    ("venues", "Array(String)"),
)
_HEAD: Columns = (
    ("bar_start", TIME),
    ("bar_end", TIME),
    ("lot", GRID),
    *HEADER,
)
_SERIES_TABLE = TupleTable(
    "cvd_structure_log",
    (
        *_HEAD,
        *SERIES,
        ("composition", TEXT),
        *COMPLETENESS,
        ("path_resolution_us", "Int64"),
        *nullable("minute", _MINUTE),
        *arrays("candles", _RESETS),
        ("sizes_least_usd", "Array(Int64)"),
        *arrays("sizes", _SIZES),
        *arrays("sizes_day", _SIZES),
        *arrays("shares", _SHARES),
        ("normalised", "Nullable(Float64)"),
        ("null_reasons", "Map(String, String)"),
    ),
)
_CONVICTIONS_TABLE = TupleTable(
    "convictions_log",
    (
        *_HEAD,
        ("quote", TEXT),
        ("window_seconds", "Int64"),
        ("state", "LowCardinality(String)"),
        ("spot_share", "Nullable(Float64)"),
        ("perp_share", "Nullable(Float64)"),
        ("spot_venues", "Array(String)"),
        ("perp_venues", "Array(String)"),
        ("null_reasons", "Map(String, String)"),
    ),
)
_read = reader(CvdStructure, CVD_STRUCTURE_SCHEMA)


def cvd_structure_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one minute into a row per series and a row per conviction.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    record = _read(value)
    month = month_of(record.bar_start_us)
    head = (
        record.bar_start_us,
        record.bar_end_us,
        scaled(record.lot),
        *header_of(record, source),
    )
    series = [(*head, *_series(one)) for one in record.series]
    convictions = [(*head, *_conviction(one)) for one in record.convictions]
    return [
        Piece(table, month, source, rows)
        for table, rows in ((_SERIES_TABLE, series), (_CONVICTIONS_TABLE, convictions))
        if rows
    ]


def _series(series: CvdStructureSeries) -> tuple[Any, ...]:
    for sizes in (series.sizes, series.sizes_day):
        if sizes is not None and len(sizes) != len(SIZE_CLASSES_USD):
            raise ValueError(f"expected {len(SIZE_CLASSES_USD)} classes, was {len(sizes)}")
    return (
        SCOPES[series.scope],
        series.venue,
        series.symbol,
        series.composition,
        *completeness_of(series.completeness),
        series.path_resolution_us,
        *values_of(series.minute, _MINUTE),
        *_resets(series.candles),
        SIZE_CLASSES_USD,
        *transposed(series.sizes or (), _SIZES),
        *transposed(series.sizes_day or (), _SIZES),
        *transposed(series.shares, _SHARES),
        series.normalised,
        series.null_reasons,
    )


def _resets(candles: list[ResetSeries]) -> tuple[Any, ...]:
    rows = [
        (one.reset, one.anchor_us, one.intact, one.venues, *values_of(one.candle, _CANDLE))
        for one in candles
    ]
    return tuple(zip(*rows, strict=True)) if rows else ((),) * len(_RESETS)


def _conviction(conviction: Conviction) -> tuple[Any, ...]:
    _, _, state, *rest = msgspec.structs.astuple(conviction)
    return (conviction.quote, conviction.window_seconds, state or "", *rest)
