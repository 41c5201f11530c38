"""Estimated levels and trapped positions: maps with arrays, and one row a price row."""

from decimal import Decimal

import pytest

from schemas.topics import LIQUIDATION_LEVELS, TRAPPED, Topic
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

LEVELS = list(documents(LIQUIDATION_LEVELS, "LEVELS"))
TRAPS = list(documents(TRAPPED, "TRAPPED"))
LEVEL_ROW = ("ticks", "side", "est_usd_cents", "low_usd_cents", "high_usd_cents", "since_time")
TRAPPED_ROW = ("ticks", "side", "est_usd_cents", "loss_usd_cents", "share", "since_time")
MAPS = [
    *((LIQUIDATION_LEVELS, "liquidation_levels_log", LEVEL_ROW, record) for record in LEVELS),
    *((TRAPPED, "trapped_log", TRAPPED_ROW, record) for record in TRAPS),
]


def arrays(record: Document, names: tuple[str, ...]) -> Document:
    columns = {f"rows_{name}": [row[at] for row in record["rows"]] for at, name in enumerate(names)}
    columns["rows_side"] = [side(one) for one in columns["rows_side"]]
    columns["rows_since_time"] = [when(one) for one in columns["rows_since_time"]]
    return columns


@pytest.mark.parametrize(
    ("topic", "table", "names", "record"), MAPS, ids=[one[3]["asset"] for one in MAPS]
)
async def test_every_field_of_a_map_has_its_column(
    store: Store, topic: Topic, table: str, names: tuple[str, ...], record: Document
) -> None:
    await put(store, topic, record)

    row = of_asset(store, table, record)

    expected = {
        **arrays(record, names),
        **record["completeness"],
        "minute_start": when(record["minute_start_us"]),
        "map_start": when(record["map_start_us"]),
        "tick": Decimal(record["tick"]),
        "lot": Decimal(record["lot"]),
    }
    check(row, record, expected, "minute_start_us", "map_start_us", "completeness", "rows")


@pytest.mark.parametrize("record", LEVELS, ids=lambda record: record["asset"])
async def test_levels_are_read_in_prices_and_dollars(store: Store, record: Document) -> None:
    await put(store, LIQUIDATION_LEVELS, record)

    row = of_asset(store, "liquidation_levels", record, final="")

    lot, tick = record["lot"], Decimal(record["tick"])
    assert (row["long_usd"], row["short_usd"]) == (
        record["long_usd_cents"] * CENT,
        record["short_usd_cents"] * CENT,
    )
    assert row["open_interest_start"] == times(record["open_interest_start_lots"], lot)
    assert row["open_interest_change"] == times(record["change_lots"], lot)
    assert row["rows_price"] == [one[0] * tick for one in record["rows"]]
    assert row["rows_estimate_usd"] == [one[2] * CENT for one in record["rows"]]
    assert row["rows_high_usd"] == [one[4] * CENT for one in record["rows"]]
    asset = record["asset"]
    rows = found(store, f"SELECT * FROM liquidation_level_rows WHERE asset = '{asset}'")
    told = [
        (one["row_price"], one["side"], one["estimate_usd"], one["low_usd"], one["high_usd"])
        for one in rows
    ]
    assert told == [
        (ticks * tick, side(of), est * CENT, low * CENT, high * CENT)
        for ticks, of, est, low, high, _ in record["rows"]
    ]
    assert [one["since_time"] for one in rows] == [when(one[5]) for one in record["rows"]]


@pytest.mark.parametrize("record", TRAPS, ids=lambda record: record["asset"])
async def test_trapped_positions_are_read_in_prices_and_dollars(
    store: Store, record: Document
) -> None:
    await put(store, TRAPPED, record)

    row = of_asset(store, "trapped", record, final="")

    tick = Decimal(record["tick"])
    assert row["price"] == times(record["price_ticks"], record["tick"])
    assert row["long_usd"] == times(record["long_usd_cents"], "0.01")
    assert row["short_usd"] == times(record["short_usd_cents"], "0.01")
    assert row["open_interest"] == times(record["open_interest_lots"], record["lot"])
    assert (row["move"], row["kind"]) == (record["move"], "estimate")
    asset = record["asset"]
    rows = found(store, f"SELECT * FROM trapped_rows WHERE asset = '{asset}'")
    told = [
        (one["row_price"], one["side"], one["estimate_usd"], one["loss_usd"], one["share"])
        for one in rows
    ]
    assert told == [
        (ticks * tick, side(of), est * CENT, loss * CENT, share)
        for ticks, of, est, loss, share, _ in record["rows"]
    ]


async def test_the_map_of_a_minute_is_replaced_whole(store: Store) -> None:
    first = {**LEVELS[0], "asset": "MAP"}
    second = {**first, "revision": first["revision"] + 1, "rows": first["rows"][:1]}
    await put(store, LIQUIDATION_LEVELS, second, first)

    rows = found(store, "SELECT row_price FROM liquidation_level_rows WHERE asset = 'MAP'")

    assert len(rows) == 1
