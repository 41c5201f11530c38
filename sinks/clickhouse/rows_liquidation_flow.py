"""Liquidation flow to columns: a row per series and side, and a row per cluster."""

from typing import Any

from schemas.liquidation_flow import (
    LIQUIDATION_FLOW_SCHEMA,
    LiquidationCluster,
    LiquidationFlow,
    LiquidationSeries,
    LiquidationSums,
)
from schemas.liquidations import LiquidatedSide
from sinks.clickhouse.derived import (
    COMPLETENESS,
    HEADER,
    LIQUIDATED_SIDE,
    SCOPE,
    STATUS,
    completeness_of,
    header_of,
)
from sinks.clickhouse.native import scaled
from sinks.clickhouse.rows import (
    GRID,
    SCOPES,
    STATUSES,
    TEXT,
    TIME,
    Piece,
    Source,
    TupleTable,
    month_of,
    reader,
)

_SUMS = (
    ("count", "Nullable(Int64)"),
    ("qty_lots", "Nullable(Int64)"),
    ("obs_usd_cents", "Nullable(Int64)"),
    ("order_price_count", "Nullable(Int64)"),
    ("ub_usd_cents", "Nullable(Int64)"),
    ("report_seconds", "Nullable(Int64)"),
    ("est_count", "Nullable(Float64)"),
    ("est_usd_cents", "Nullable(Int64)"),
    ("est_count_limit", "Nullable(Float64)"),
    ("all_share", "Nullable(Float64)"),
    ("bounds_inconsistent", "Nullable(Bool)"),
)
_SERIES = TupleTable(
    "liquidation_flow_log",
    (
        *HEADER,
        ("interval_seconds", "UInt32"),
        ("window_start", TIME),
        ("window_end", TIME),
        ("lot", GRID),
        ("feeds_status", STATUS),
        *COMPLETENESS[1:],
        ("scope", SCOPE),
        ("venue", TEXT),
        ("symbol", TEXT),
        ("composition", TEXT),
        ("status", STATUS),
        ("venues", "Array(String)"),
        ("sampling", "Nullable(String)"),
        ("price_kind", "Nullable(String)"),
        ("backlog_count", "Int64"),
        ("liquidated_side", LIQUIDATED_SIDE),
        *_SUMS,
        ("null_reasons", "Map(String, String)"),
    ),
)
_CLUSTERS = TupleTable(
    "liquidation_clusters_log",
    (
        *HEADER,
        ("lot", GRID),
        ("id", "String"),
        ("liquidated_side", LIQUIDATED_SIDE),
        ("start_time", TIME),
        ("end_time", TIME),
        ("count", "Int64"),
        ("qty_lots", "Int64"),
        ("obs_usd_cents", "Int64"),
        ("low_price", GRID),
        ("high_price", GRID),
        ("largest_member", "String"),
        ("largest_time", TIME),
        ("largest_price", GRID),
        ("largest_price_kind", TEXT),
        ("largest_qty_lots", "Int64"),
        ("largest_usd_cents", "Int64"),
        ("venues_usd_cents", "Map(String, Int64)"),
        ("partial_venues", "Array(String)"),
        ("end_reason", TEXT),
    ),
)
_UNKNOWN: tuple[Any, ...] = (*(None,) * len(_SUMS), {})
_read = reader(LiquidationFlow, LIQUIDATION_FLOW_SCHEMA)


def liquidation_flow_pieces(value: bytes, source: Source) -> list[Piece]:
    """Turn one window into two rows a series, and a row for each cluster that has ended in it.

    Raises:
        msgspec.MsgspecError, ValueError, PayloadError: the record cannot be used.
    """
    flow = _read(value)
    head, lot = header_of(flow, source), scaled(flow.lot)
    window = (
        *head,
        flow.interval_seconds,
        flow.window_start_us,
        flow.window_end_us,
        lot,
        *completeness_of(flow.completeness),
    )
    rows = [(*window, *row) for series in flow.series for row in _sides(series)]
    pieces = [Piece(_SERIES, month_of(flow.window_start_us), source, rows)] if rows else []
    for cluster in flow.clusters:
        row = (*head, lot, *_cluster(cluster))
        pieces.append(Piece(_CLUSTERS, month_of(cluster.start_us), source, (row,)))
    return pieces


def _sides(series: LiquidationSeries) -> list[tuple[Any, ...]]:
    head = (
        SCOPES[series.scope],
        series.venue,
        series.symbol,
        series.composition,
        STATUSES[series.status],
        series.venues,
        series.sampling,
        series.price_kind,
        series.backlog_count,
    )
    return [
        (*head, LiquidatedSide.LONG, *_sums(series.long)),
        (*head, LiquidatedSide.SHORT, *_sums(series.short)),
    ]


def _sums(sums: LiquidationSums | None) -> tuple[Any, ...]:
    if sums is None:
        return _UNKNOWN
    return (*(getattr(sums, name) for name, _ in _SUMS), sums.null_reasons)


def _cluster(cluster: LiquidationCluster) -> tuple[Any, ...]:
    largest = cluster.largest
    return (
        cluster.id,
        cluster.liquidated_side,
        cluster.start_us,
        cluster.end_us,
        cluster.count,
        cluster.qty_lots,
        cluster.obs_usd_cents,
        scaled(cluster.low_price),
        scaled(cluster.high_price),
        largest.member,
        largest.event_time_us,
        scaled(largest.price),
        largest.price_kind,
        largest.qty_lots,
        largest.usd_cents,
        cluster.venues_usd_cents,
        cluster.partial_venues,
        cluster.end_reason,
    )
