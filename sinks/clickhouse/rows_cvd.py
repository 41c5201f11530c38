"""CVD steps to columns of `cvd_log` (a row a series) and `cvd_adjustments_log`."""

from typing import Any

import msgspec

from schemas.cvd import CVD_SCHEMA, WINDOWS, Cumulative, CvdSeries, CvdStep
from sinks.clickhouse.derived import SCOPE, STATUS
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    INPUTS,
    LINEAGE,
    SCOPES,
    STATUSES,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    day_of,
    inputs_of,
    month_of,
    reader,
)

MEASURES = ("step", "day", "anchored", "15m", "30m", "1h", "4h", "24h")
"""The suffixes of the measures' columns: step, day, anchored, then the rolling windows."""

_STEPS = TupleTable(
    "cvd_log",
    (
        ("asset", TEXT),
        ("step_start", TIME),
        ("revision", "UInt64"),
        ("is_final", "Bool"),
        ("lot", GRID),
        ("anchor_time", TIME),
        ("method", TEXT),
        ("params", TEXT),
        ("log_time", TIME),
        *INPUTS,
        *LINEAGE,
        ("scope", SCOPE),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("composition", TEXT),
        ("status", STATUS),
        *(
            (f"{field}_{measure}", "Nullable(Int64)")
            for measure in MEASURES
            for field in Cumulative.__struct_fields__
        ),
        ("venues", "Array(String)"),
        ("rolling_venues", "Array(Int64)"),
    ),
)
_ADJUSTMENTS = TupleTable(
    "cvd_adjustments_log",
    (
        ("asset", TEXT),
        ("step_start", TIME),
        ("revision", "UInt64"),
        ("lot", GRID),
        ("log_time", TIME),
        *LINEAGE,
        ("venue", TEXT),
        ("symbol", TEXT),
        ("bar_start", TIME),
        ("delta_lots", "Int64"),
        ("delta_usd_cents", "Int64"),
        ("volume_lots", "Int64"),
        ("volume_usd_cents", "Int64"),
        ("trades", "Int64"),
    ),
)
_UNKNOWN = (None,) * len(Cumulative.__struct_fields__)
_read = reader(CvdStep, CVD_SCHEMA)


def cvd_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one step into a row per series and a row per adjustment.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    step = _read(value)
    pieces = []
    if step.series:
        head = _head(step, source)
        rows = [(*head, *_series(series)) for series in step.series]
        pieces.append(Piece(_STEPS, day_of(step.step_start_us), source, rows))
    return pieces + _adjustments(step, source)


def _head(step: CvdStep, source: Source) -> tuple[Any, ...]:
    return (
        step.asset,
        step.step_start_us,
        step.revision,
        step.is_final,
        scaled(step.lot),
        step.anchor_us,
        step.method,
        step.params,
        step.log_time_us,
        *inputs_of(step.inputs),
        source.partition,
        source.offset,
    )


def _series(series: CvdSeries) -> tuple[Any, ...]:
    if not len(series.rolling) == len(series.rolling_venues) == len(WINDOWS):
        raise ValueError(f"expected {len(WINDOWS)} rolling windows, was {len(series.rolling)}")
    measures = (series.step, series.day, series.anchored, *series.rolling)
    values: list[int | None] = []
    for measure in measures:
        values.extend(_UNKNOWN if measure is None else msgspec.structs.astuple(measure))
    return (
        SCOPES[series.scope],
        series.venue,
        series.symbol,
        series.composition,
        STATUSES[series.status],
        *values,
        series.venues,
        series.rolling_venues,
    )


def _adjustments(step: CvdStep, source: Source) -> list[Piece]:
    head = (
        step.asset,
        step.step_start_us,
        step.revision,
        scaled(step.lot),
        step.log_time_us,
        source.partition,
        source.offset,
    )
    by_month: dict[int, list[tuple[Any, ...]]] = {}
    for adjust in step.adjustments:
        row = (*head, *msgspec.structs.astuple(adjust))
        by_month.setdefault(month_of(adjust.bar_start_us), []).append(row)
    return [Piece(_ADJUSTMENTS, month, source, rows) for month, rows in by_month.items()]
