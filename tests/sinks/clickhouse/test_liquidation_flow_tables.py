"""Liquidation flow and clusters: a row a series and side, bounds in dollars, nulls as they are."""

from decimal import Decimal

import pytest

from schemas.topics import LIQUIDATION_FLOW
from sinks.clickhouse.client import Store
from tests.sinks.clickhouse.published import (
    CENT,
    Document,
    check,
    documents,
    found,
    of_asset,
    put,
    side,
    times,
    when,
)

EXAMPLES = list(documents(LIQUIDATION_FLOW, "FLOW"))
SUMS = (
    "count", "qty_lots", "obs_usd_cents", "order_price_count", "ub_usd_cents", "report_seconds",
    "est_count", "est_usd_cents", "est_count_limit", "all_share", "bounds_inconsistent",
)  # fmt: skip
UNKNOWN: Document = {**dict.fromkeys(SUMS), "null_reasons": {}}
EACH = pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: record["asset"])


def rows_of(store: Store, table: str, record: Document) -> dict[tuple[str, ...], Document]:
    rows = found(store, f"SELECT * FROM {table} WHERE asset = '{record['asset']}'")
    keys = ("scope", "venue", "symbol", "composition", "liquidated_side")
    return {tuple(row[name] for name in keys): row for row in rows}


def sides(record: Document) -> dict[tuple[str, ...], tuple[Document, Document]]:
    return {
        (one["scope"], one["venue"], one["symbol"], one["composition"], word): (one, one[word])
        for one in record["series"]
        for word in ("long", "short")
    }


@EACH
async def test_every_field_of_a_window_has_its_column(store: Store, record: Document) -> None:
    await put(store, LIQUIDATION_FLOW, record)

    rows, told = rows_of(store, "liquidation_flow_log FINAL", record), sides(record)

    assert rows.keys() == told.keys()
    feeds = {**record["completeness"]}
    for key, (series, sums) in told.items():
        expected = {
            **{name: value for name, value in feeds.items() if name != "status"},
            "feeds_status": feeds["status"],
            "window_start": when(record["window_start_us"]),
            "window_end": when(record["window_end_us"]),
            "lot": Decimal(record["lot"]),
        }
        elsewhere = ("window_start_us", "window_end_us", "completeness", "series", "clusters")
        check(rows[key], record, expected, *elsewhere)
        check(rows[key], series, sums or UNKNOWN, "long", "short")


@EACH
async def test_bounds_and_estimates_are_read_in_dollars(store: Store, record: Document) -> None:
    await put(store, LIQUIDATION_FLOW, record)

    rows = rows_of(store, "liquidation_flow", record)

    for key, (series, sums) in sides(record).items():
        row, said = rows[key], sums or UNKNOWN
        observed = times(said["obs_usd_cents"], "0.01")
        assert (row["observed_usd"], row["lower_usd"]) == (observed, observed)
        assert row["upper_usd"] == times(said["ub_usd_cents"], "0.01")
        assert row["estimate_usd"] == times(said["est_usd_cents"], "0.01")
        assert row["estimate_count"] == said["est_count"]
        assert row["estimate_count_limit"] == said["est_count_limit"]
        assert row["qty"] == times(said["qty_lots"], record["lot"])
        sampling = series["sampling"]
        assert row["sampling_class"] == sampling
        assert row["is_throttled"] == (None if sampling is None else sampling != "all")


async def test_a_gap_is_null_and_a_quiet_window_is_zero(store: Store) -> None:
    record = {**EXAMPLES[2], "asset": "FLOWGAP"}
    await put(store, LIQUIDATION_FLOW, record, {**EXAMPLES[1], "asset": "FLOWQUIET"})

    rows = "SELECT count, observed_usd FROM liquidation_flow WHERE asset = '{}' AND venue = '{}'"

    gap = found(store, rows.format("FLOWGAP", "bybit"))
    quiet = found(store, rows.format("FLOWQUIET", "binance"))
    assert [tuple(row.values()) for row in gap] == [(None, None)] * 2
    assert [tuple(row.values()) for row in quiet] == [(0, 0)] * 2


async def test_every_field_of_a_cluster_has_its_column(store: Store) -> None:
    record = {**EXAMPLES[1], "asset": "CLUSTER"}
    (cluster,) = record["clusters"]
    await put(store, LIQUIDATION_FLOW, record)

    row = of_asset(store, "liquidation_clusters_log", record)

    largest = cluster["largest"]
    expected = {
        "liquidated_side": side(cluster["liquidated_side"]),
        "start_time": when(cluster["start_us"]),
        "end_time": when(cluster["end_us"]),
        "low_price": Decimal(cluster["low_price"]),
        "high_price": Decimal(cluster["high_price"]),
        "largest_member": largest["member"],
        "largest_time": when(largest["event_time_us"]),
        "largest_price": Decimal(largest["price"]),
        "largest_price_kind": largest["price_kind"],
        "largest_qty_lots": largest["qty_lots"],
        "largest_usd_cents": largest["usd_cents"],
        "lot": Decimal(record["lot"]),
    }
    check(row, cluster, expected, "start_us", "end_us", "largest")
    assert len(largest) == 6


async def test_a_cluster_is_read_in_coins_and_dollars(store: Store) -> None:
    record = {**EXAMPLES[1], "asset": "CLUSTERUSD"}
    (cluster,) = record["clusters"]
    await put(store, LIQUIDATION_FLOW, record)

    row = of_asset(store, "liquidation_clusters", record, final="")

    assert row["qty"] == times(cluster["qty_lots"], record["lot"])
    assert row["observed_usd"] == times(cluster["obs_usd_cents"], "0.01")
    assert row["largest_usd"] == times(cluster["largest"]["usd_cents"], "0.01")
    assert row["largest_qty"] == times(cluster["largest"]["qty_lots"], record["lot"])
    assert row["venues_usd"] == {k: v * CENT for k, v in cluster["venues_usd_cents"].items()}
    assert sum(row["venues_usd"].values()) == row["observed_usd"]
