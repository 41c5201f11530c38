"""The public views: their columns are a contract, their numbers exact, their rows the newest."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from schemas.instruments import make_instrument
from schemas.lineage import Status
from schemas.market import Kind, Scope
from schemas.ops import QualityEvent, QualityKind
from schemas.topics import CVD, FOOTPRINTS, INSTRUMENTS, QUALITY, TRADES
from schemas.units import US_PER_DAY, US_PER_SECOND
from sinks.clickhouse.client import Store
from sinks.clickhouse.sink import ClickHouseSink
from tests.sinks.clickhouse.memory_bus import MemoryBus
from tests.sinks.clickhouse.records import DAY_US, bar, batch, price_rows, step, trade

KEY = "asset scope venue symbol interval_seconds row_size bar_start revision is_final"
WINDOWS = ("day", "anchored", "15m", "30m", "1h", "4h", "24h")

COLUMNS = {
    "trades": "venue kind symbol asset quote event_time price qty side trade_id order_class source"
    " off_grid stream session receive_time price_ticks tick qty_lots lot log_partition log_offset",
    "footprint_bars": f"{KEY} open high low close vwap sell_qty buy_qty unknown_qty excluded_qty"
    " delta delta_min delta_max trades poc vah val status venues_expected venues_complete"
    " venues_partial version reason bar_end ref_close delta_since_high delta_since_low sell_usd"
    " buy_usd trades_buy trades_sell trades_unknown imbalances_valid",
    "footprint_rows": f"{KEY} row_price sell_qty buy_qty unknown_qty delta buy_imbalance"
    " sell_imbalance trades_sell trades_buy sell_usd buy_usd buy_imbalance_h sell_imbalance_h"
    " zero_buy zero_sell agree_buy agree_sell",
    "cvd": "asset scope venue symbol composition step_start delta delta_usd volume volume_usd "
    + " ".join(f"cvd_{window}" for window in WINDOWS)
    + " "
    + " ".join(f"cvd_{window}_usd" for window in WINDOWS)
    + " "
    + " ".join(f"volume_{window}" for window in WINDOWS)
    + " "
    + " ".join(f"volume_{window}_usd" for window in WINDOWS)
    + " share_day share_15m share_30m share_1h share_4h share_24h"
    " venues venues_15m venues_30m venues_1h venues_4h venues_24h"
    " status is_final revision anchor_time",
    "cvd_adjustments": "asset venue symbol bar_start step_start delta delta_usd volume volume_usd"
    " trades revision",
    "instruments": "venue kind symbol venue_symbol asset quote tick lot venue_tick venue_lot"
    " status",
    "quality": "asset venue symbol kind stream session from_time to_time count detail first_id "
    "last_id recovered log_time",
    "alerts": "event_time asset rule severity kind message scope venue symbol source state field "
    "value threshold status venues_expected venues_complete venues_partial coverage_ms feed_states "
    "evidence methods suppressed event_id key is_final revision",
    "feed_summaries": "asset venue symbol stream session from_time to_time feed_state messages "
    "items duplicates out_of_order gaps resyncs reconnects refusals rejected late_2_seconds "
    "late_30_seconds late_24_hours late_more lag_p50_us lag_p99_us clock_offset_us "
    "watermark_lag_us crossed_us invalid_us",
}


async def put(store: Store, topic: str, *records: Any) -> None:
    bus = MemoryBus()
    bus.put(topic, *records)
    await ClickHouseSink(bus, store).drain()


def one(store: Store, sql: str, **parameters: Any) -> dict[str, Any]:
    table = store.query(sql, parameters)
    assert len(table.rows) == 1
    return dict(zip(table.column_names, table.rows[0], strict=True))


@pytest.mark.parametrize("view", COLUMNS)
def test_a_view_has_exactly_the_columns_of_the_contract(store: Store, view: str) -> None:
    names = [row[0] for row in store.query(f"DESCRIBE TABLE {view}").rows]

    assert names == COLUMNS[view].split()


def test_the_footprints_view_has_the_bar_in_integers_and_decimals(store: Store) -> None:
    names = {row[0] for row in store.query("DESCRIBE TABLE footprints").rows}

    bars = {name for name in COLUMNS["footprint_bars"].split() if name != "trades"}
    assert bars <= names
    assert {"tick", "lot", "rows_ticks", "rows_price", "rows_buy_lots", "rows_buy_qty"} <= names


def test_prices_quantities_and_times_have_the_types_of_the_contract(store: Store) -> None:
    types = {
        (view, row[0]): row[1]
        for view in COLUMNS
        for row in store.query(f"DESCRIBE TABLE {view}").rows
    }

    exact, time = "Decimal(38, 12)", "DateTime64(6, 'UTC')"
    assert types["trades", "price"] == types["trades", "qty"] == exact
    assert types["trades", "event_time"] == types["footprint_bars", "bar_start"] == time
    assert types["footprint_bars", "open"] == types["cvd", "cvd_day"] == f"Nullable({exact})"
    assert types["footprint_rows", "row_price"] == exact
    assert types["footprint_rows", "buy_imbalance"] == "Nullable(Bool)"
    assert not [name for name, type_ in types.items() if "Float" in type_ and "price" in name[1]]


async def test_a_trade_is_read_back_exactly(store: Store) -> None:
    row = (DAY_US + 123_456, 123_456_789, 7, -1, "a-b/é", 0x12)
    await put(store, TRADES.name, batch("EXACT", [row], tick="0.0000000001", lot="1000"))

    found = one(store, "SELECT * FROM trades WHERE asset = 'EXACT'")

    assert found["price"] == Decimal("0.0123456789")
    assert found["qty"] == 7000
    assert (found["side"], found["order_class"], found["off_grid"]) == ("sell", "liquidation", True)
    assert (found["trade_id"], found["kind"], found["source"]) == (
        "a-b/é",
        "linear_perpetual",
        "stream",
    )
    assert found["event_time"].isoformat() == "2026-09-21T00:00:00.123456+00:00"


async def test_a_batch_over_midnight_goes_to_two_days(store: Store) -> None:
    rows = [trade(n, DAY_US + US_PER_DAY - 2 + n) for n in range(4)]
    await put(store, TRADES.name, batch("MIDNIGHT", rows))

    days = store.query(
        "SELECT toDate(event_time), count() FROM trades WHERE asset = 'MIDNIGHT'"
        " GROUP BY 1 ORDER BY 1"
    ).rows

    assert [count for _, count in days] == [2, 2]


async def test_the_first_receipt_of_a_trade_stays(store: Store) -> None:
    first = batch("TWICE", [trade(1)], session="first")
    again = batch("TWICE", [trade(1)], session="again", source="rest")
    await put(store, TRADES.name, first, again)

    assert one(store, "SELECT session FROM trades WHERE asset = 'TWICE'") == {"session": "first"}


async def test_rows_sum_to_their_bar(store: Store) -> None:
    await put(store, FOOTPRINTS.name, bar("SUMS", price_rows(7)))

    sums = """
        SELECT sum(sell_qty), sum(buy_qty), sum(unknown_qty), sum(delta),
            sum(trades_buy + trades_sell)
        FROM footprint_rows WHERE asset = 'SUMS'
    """
    whole = """
        SELECT sell_qty, buy_qty, unknown_qty, delta, trades
        FROM footprint_bars WHERE asset = 'SUMS'
    """
    assert store.query(sums).rows == store.query(whole).rows
    assert one(store, "SELECT count() AS n FROM footprint_rows WHERE asset = 'SUMS'") == {"n": 7}


async def test_a_bar_is_read_back_exactly(store: Store) -> None:
    await put(store, FOOTPRINTS.name, bar("BAR", price_rows()))

    found = one(store, "SELECT * FROM footprint_bars WHERE asset = 'BAR'")

    assert (found["open"], found["high"]) == (Decimal(65_000), Decimal(65_025))
    assert (found["val"], found["vah"], found["poc"]) == (65_000, 65_010, 65_000)
    assert (found["excluded_qty"], found["delta"]) == (Decimal("0.005"), Decimal("0.009"))
    assert found["venues_partial"] == ["okx:A"]
    assert found["delta_since_high"] is None
    assert (found["buy_usd"], found["vwap"]) == (Decimal("123.45"), 65_000.5)
    raw = one(store, "SELECT * FROM footprints WHERE asset = 'BAR'")
    assert raw["rows_buy_lots"] == [7, 9, 11]
    assert raw["rows_price"] == [65_000, 65_010, 65_020]
    assert raw["excluded_lots"] == {"adl": 2, "block": 3}
    assert raw["null_reasons"] == {"delta_since_high_lots": "order_unknown"}
    assert raw["stacks_max_ratio"] == [None]
    assert raw["inputs_last_offset"] == [9]


async def test_marks_become_flags(store: Store) -> None:
    await put(store, FOOTPRINTS.name, bar("MARKS", price_rows()))

    flags = store.query(
        "SELECT buy_imbalance, sell_imbalance, zero_sell, sell_imbalance_h, agree_buy"
        " FROM footprint_rows WHERE asset = 'MARKS' ORDER BY row_price"
    ).rows

    assert flags == [
        (True, False, True, False, 0),
        (False, False, False, True, 1),
        (False, False, False, False, 2),
    ]


async def test_a_bar_without_trades_has_nulls_and_no_rows(store: Store) -> None:
    await put(store, FOOTPRINTS.name, bar("EMPTY"))

    found = one(store, "SELECT * FROM footprint_bars WHERE asset = 'EMPTY'")

    unknown = ("open", "high", "low", "close", "vwap", "poc", "vah", "val", "delta_min")
    assert [found[name] for name in unknown] == [None] * len(unknown)
    assert found["buy_qty"] == 0
    assert store.query("SELECT * FROM footprint_rows WHERE asset = 'EMPTY'").rows == []


async def test_a_gap_is_null_and_a_quiet_minute_is_zero(store: Store) -> None:
    there = bar("QUIET", excluded_lots={}, buy_usd_cents=0, sell_usd_cents=0)
    gap = msgspec.structs.replace(there.completeness, status=Status.GAP)
    await put(store, FOOTPRINTS.name, there)
    await put(store, FOOTPRINTS.name, bar("GONE", completeness=gap, excluded_lots={}))

    volume = {"sell_qty", "buy_qty", "unknown_qty", "excluded_qty", "delta", "sell_usd", "buy_usd"}
    trades = {"trades", "trades_sell", "trades_buy", "trades_unknown"}
    for view, names in (
        ("footprints", volume | trades - {"trades"}),
        ("footprint_bars", volume | trades),
        ("merged_bars(interval_seconds = 60)", volume | {"trades"}),
    ):
        quiet = one(store, f"SELECT * FROM {view} WHERE asset = 'QUIET'")
        gone = one(store, f"SELECT * FROM {view} WHERE asset = 'GONE'")
        assert {name: quiet[name] for name in names} == dict.fromkeys(names, 0)
        assert {name: gone[name] for name in names} == dict.fromkeys(names)


async def test_invalid_imbalances_are_null(store: Store) -> None:
    await put(store, FOOTPRINTS.name, bar("BASIS", price_rows(), imbalances_valid=False))

    found = store.query(
        "SELECT DISTINCT buy_imbalance, sell_imbalance FROM footprint_rows WHERE asset = 'BASIS'"
    ).rows

    assert found == [(None, None)]


async def test_the_newest_revision_of_a_bar_replaces_it_whole(store: Store) -> None:
    final = bar("NEWEST", price_rows(2), revision=9, version=1, is_final=True)
    await put(store, FOOTPRINTS.name, bar("NEWEST", price_rows(5)), final)
    await put(store, FOOTPRINTS.name, bar("NEWEST", price_rows(5), revision=3))

    found = one(store, "SELECT revision, is_final FROM footprint_bars WHERE asset = 'NEWEST'")

    assert found == {"revision": 9, "is_final": True}
    rows = store.query("SELECT is_final FROM footprint_rows WHERE asset = 'NEWEST'").rows
    assert rows == [(True,), (True,)]
    provisional = "SELECT 1 FROM footprint_bars WHERE asset = 'NEWEST' AND NOT is_final"
    assert store.query(provisional).rows == []


async def test_cvd_is_read_in_coins_and_dollars_and_unknown_stays_null(store: Store) -> None:
    await put(store, CVD.name, step("CVD"))

    found = one(store, "SELECT * FROM cvd WHERE asset = 'CVD'")

    assert (found["delta"], found["cvd_day"], found["cvd_day_usd"]) == (
        Decimal("-0.005"),
        Decimal("-0.005"),
        -325,
    )
    assert (found["share_15m"], found["share_4h"], found["share_24h"]) == (-0.5, None, None)
    assert (found["cvd_4h"], found["cvd_24h"], found["volume_24h_usd"]) == (0, None, None)
    assert (found["venues"], found["venues_4h"], found["venues_24h"]) == (["binance"], 1, 0)
    late = one(store, "SELECT * FROM cvd_adjustments WHERE asset = 'CVD'")
    assert (late["delta"], late["delta_usd"], late["trades"]) == (Decimal("0.003"), 195, 1)


async def test_the_last_announcement_of_an_instrument_counts(store: Store) -> None:
    about: dict[str, Any] = {
        "venue": "okx",
        "kind": Kind.SPOT,
        "venue_symbol": "A-USDT",
        "asset": "ANNOUNCED",
        "quote": "USDT",
        "venue_lot": "1",
    }
    await put(
        store,
        INSTRUMENTS.name,
        make_instrument(venue_tick="0.1", **about),
        make_instrument(venue_tick="0.01", **about),
    )

    found = one(store, "SELECT tick, symbol FROM instruments WHERE asset = 'ANNOUNCED'")

    assert found == {"tick": Decimal("0.01"), "symbol": "ANNOUNCED-USDT"}


@pytest.mark.parametrize("kind", QualityKind)
async def test_every_kind_of_quality_event_is_stored_by_its_name(
    store: Store, kind: QualityKind
) -> None:
    event = QualityEvent(
        kind=kind,
        venue="okx",
        symbol="A",
        asset=f"QUALITY_{kind}",
        stream="trades",
        session="s",
        from_us=DAY_US,
        to_us=DAY_US + US_PER_SECOND,
        count=3,
        detail="ids 5-7",
        log_time_us=DAY_US,
    )
    await put(store, QUALITY.name, event, event)

    found = one(
        store, "SELECT kind, count FROM quality WHERE asset = {asset:String}", asset=event.asset
    )

    assert found == {"kind": kind.value, "count": 3}


@pytest.mark.parametrize(
    ("view", "where"),
    [
        ("trades", "venue = 'okx' AND event_time"),
        ("footprint_bars", "scope = 'perp' AND bar_start"),
        ("footprint_rows", "scope = 'perp' AND bar_start"),
        ("cvd", "scope = 'venue' AND step_start"),
    ],
)
async def test_filters_on_a_view_reach_partitions_and_key(
    store: Store, view: str, where: str
) -> None:
    await put(store, TRADES.name, batch("PLAN", [trade(1)], venue="okx"))
    await put(store, FOOTPRINTS.name, bar("PLAN", price_rows(), scope=Scope.PERP))
    await put(store, CVD.name, step("PLAN"))

    plan = "\n".join(
        row[0]
        for row in store.query(
            f"EXPLAIN indexes = 1 SELECT * FROM {view}"
            f" WHERE asset = 'PLAN' AND {where} >= '2026-09-21 00:00:00'"
        ).rows
    )

    assert "FINAL: 1" in plan
    key = plan.split("PrimaryKey", 1)[1]
    assert "asset in ['PLAN', 'PLAN']" in key
    assert where.split(" =", 1)[0] in key
    assert "Condition: true" not in plan.split("Min-Max", 1)[1].split("PrimaryKey", 1)[0]
