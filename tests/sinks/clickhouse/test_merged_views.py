"""Views that merge: bars and rows of any interval, CVD since any second, venues side by side."""

from decimal import Decimal
from typing import Any

import pytest

from schemas.footprints import FootprintBar, Row
from schemas.market import Scope
from sinks.clickhouse.client import QueryError, Store
from tests.processors.builders import MINUTE, NOON, SECOND, UNITS
from tests.processors.oracle import Fact
from tests.sinks.clickhouse.markets import CALM, ROUGH, UNPUBLISHED_SECONDS, Worked, worked
from tests.sinks.clickhouse.published import found, when

TICK, LOT, CENT = Decimal(UNITS.tick), Decimal(UNITS.lot), Decimal("0.01")
ANCHORS = (NOON + 2 * MINUTE, NOON + 3 * MINUTE + 17 * SECOND)


@pytest.fixture(scope="module", params=["calm", "rough"])
def market(request: pytest.FixtureRequest, store: Store) -> Worked:
    one = {"calm": CALM, "rough": ROUGH}[request.param]
    return worked(store, request.param.upper(), one)


def key(row: dict[str, Any]) -> tuple[object, ...]:
    start_us = round(row["bar_start"].timestamp()) * SECOND
    return row["scope"], row["venue"], row["symbol"], float(row["row_size"]), start_us


def scaled(value: int | None, grid: Decimal) -> Decimal | None:
    return None if value is None else value * grid


def bar_fields(bar: FootprintBar) -> dict[str, Any]:
    about = bar.completeness
    return {
        "bar_end": when(bar.bar_end_us),
        "open": scaled(bar.open_ticks, TICK),
        "high": scaled(bar.high_ticks, TICK),
        "low": scaled(bar.low_ticks, TICK),
        "close": scaled(bar.close_ticks, TICK),
        "sell_qty": bar.sell_lots * LOT,
        "buy_qty": bar.buy_lots * LOT,
        "unknown_qty": bar.unknown_lots * LOT,
        "excluded_qty": sum(bar.excluded_lots.values()) * LOT,
        "delta": bar.delta_lots * LOT,
        "delta_min": scaled(bar.delta_min_lots, LOT),
        "delta_max": scaled(bar.delta_max_lots, LOT),
        "delta_since_high": scaled(bar.delta_since_high_lots, LOT),
        "delta_since_low": scaled(bar.delta_since_low_lots, LOT),
        "trades": bar.trades_buy + bar.trades_sell + bar.trades_unknown,
        "status": about.status.value,
        "venues_expected": about.venues_expected,
        "venues_complete": about.venues_complete,
        "venues_partial": about.venues_partial,
    }


def test_merged_bars_are_those_that_an_engine_publishes(store: Store, market: Worked) -> None:
    """Definitions 5.14: what holds of five minutes and one bar of five holds of ten."""
    rows = found(
        store,
        f"SELECT * FROM merged_bars(interval_seconds = {UNPUBLISHED_SECONDS})"
        f" WHERE asset = '{market.asset}' AND is_final",
    )

    whole = [row for row in rows if key(row) in market.wide]
    assert len(whole) >= 2 * 7
    paths = 0
    for row in whole:
        bar = market.wide[key(row)]
        wanted = bar_fields(bar)
        assert {name: row[name] for name in wanted} == wanted
        assert row["vwap"] == pytest.approx(bar.vwap, rel=1e-12)
        # Every minute is rounded to a cent by itself.
        assert abs(row["sell_usd"] - bar.sell_usd_cents * CENT) <= CENT * 5
        assert abs(row["buy_usd"] - bar.buy_usd_cents * CENT) <= CENT * 5
        paths += bar.delta_max_lots is not None
    assert paths or market.asset == "ROUGH"


ROW = ("row_price", "sell_qty", "buy_qty", "unknown_qty", "delta", "trades_sell", "trades_buy")


def lots(row: Row) -> list[Decimal]:
    values = (row.sell_lots, row.buy_lots, row.unknown_lots, row.buy_lots - row.sell_lots)
    return [value * LOT for value in values]


def test_merged_rows_are_those_that_an_engine_publishes(store: Store, market: Worked) -> None:
    rows = found(
        store,
        f"SELECT * FROM merged_footprint_rows(interval_seconds = {UNPUBLISHED_SECONDS})"
        f" WHERE asset = '{market.asset}' AND bar_start = toDateTime64('2024-01-01 12:00:00', 6)"
        " ORDER BY row_price",
    )

    compared = 0
    for name, bar in market.wide.items():
        if bar.bar_start_us != NOON:
            continue
        mine = [tuple(row[name] for name in ROW) for row in rows if key(row) == name]
        wanted = [(r.row_ticks * TICK, *lots(r), r.trades_sell, r.trades_buy) for r in bar.rows]
        assert mine == wanted
        compared += len(wanted)
    assert compared > 60


def test_rows_between_minutes_that_do_not_touch_are_zero(store: Store) -> None:
    store.command(
        "INSERT INTO footprints_log (asset, scope, interval_seconds, row_size, bar_start, tick,"
        " lot, row_ticks, status, is_final, rows_ticks, rows_sell_lots, rows_buy_lots,"
        " rows_unknown_lots, rows_trades_sell, rows_trades_buy, rows_sell_usd_cents,"
        " rows_buy_usd_cents) SELECT 'APART', 'perp', 60, 1,"
        " toDateTime64('2024-01-01 12:00:00', 6, 'UTC') + 60 * number, 0.1, 1, 10, 'complete', 1,"
        " [-20 + 50 * toInt64(number)], [1], [2], [3], [4], [5], [6], [7] FROM numbers(2)"
    )

    rows = found(
        store,
        "SELECT row_price, sell_qty, buy_usd FROM"
        " merged_footprint_rows(interval_seconds = 120) WHERE asset = 'APART' ORDER BY row_price",
    )

    assert [tuple(row.values()) for row in rows] == [
        (-2, 1, 7 * CENT),
        *[(price, 0, 0) for price in (-1, 0, 1, 2)],
        (3, 1, 7 * CENT),
    ]


@pytest.mark.parametrize("view", ["merged_bars", "merged_footprint_rows"])
@pytest.mark.parametrize(
    ("seconds", "refusal"), [(90, "interval_seconds must be a multiple of 60"), (0, "positive")]
)
def test_an_interval_that_is_not_of_minutes_is_refused(
    store: Store, view: str, seconds: int, refusal: str
) -> None:
    with pytest.raises(QueryError, match=refusal):
        store.query(f"SELECT * FROM {view}(interval_seconds = {seconds})")


def test_intervals_are_aligned_to_the_epoch(store: Store, market: Worked) -> None:
    """Definitions 5.0; 1 January 2024 is a Monday, weeks of the epoch begin on Thursdays."""
    for seconds in (420, 604_800):
        (bar,) = found(
            store,
            f"SELECT bar_start, minutes, is_final FROM merged_bars(interval_seconds = {seconds})"
            f" WHERE asset = '{market.asset}' AND scope = 'spot' AND row_size = 1"
            " ORDER BY bar_start DESC LIMIT 1",
        )
        assert bar["bar_start"].timestamp() % seconds == 0
        assert not bar["is_final"]


def signed(trades: list[Fact], row: dict[str, Any], anchor_us: int) -> tuple[int, int]:
    """Return delta and volume of what a row counts, in lots."""
    end_us = round(row["step_start"].timestamp()) * SECOND + SECOND
    mine = [
        one
        for one in trades
        if anchor_us <= one.time_us < end_us
        and one.order_class not in (3, 4, 5)
        and (
            one.member == f"{row['venue']}:{row['symbol']}"
            if row["scope"] == "venue"
            else one.scope is Scope(row["scope"])
        )
    ]
    return (
        sum(one.qty * one.side for one in mine),
        sum(one.qty for one in mine if one.side),
    )


@pytest.mark.parametrize("anchor_us", ANCHORS)
def test_cvd_since_an_anchor_is_the_sum_of_the_trades_since(
    store: Store, market: Worked, anchor_us: int
) -> None:
    """Definitions 5.5: from the anchor on, the anchor included.

    Late trades of the minute around an anchor are not counted, so that of a rough market is whole.
    """
    anchor_us -= anchor_us % MINUTE if market.asset == "ROUGH" else 0
    rows = found(
        store,
        "SELECT * FROM cvd_since(anchor = {anchor:String})"
        f" WHERE asset = '{market.asset}' AND is_final ORDER BY step_start",
        anchor=str(when(anchor_us))[:19],
    )

    last = max(row["step_start"] for row in rows)
    compared = 0
    for row in rows:
        assert row["anchor_time"] == when(anchor_us)
        if market.asset == "CALM" or row["step_start"] == last:
            delta, volume = signed(market.trades, row, anchor_us)
            assert (row["cvd"], row["volume"]) == (delta * LOT, volume * LOT), row
            compared += 1
    assert compared >= 7
    calm = {row["status"] for row in rows} == {"complete"}
    assert calm == (market.asset == "CALM")


def test_a_second_of_which_nothing_is_known_is_null_and_the_sum_goes_on(store: Store) -> None:
    at = "toDateTime64('2024-01-01 12:00:00', 6, 'UTC')"
    store.command(
        "INSERT INTO cvd_log (asset, scope, venue, symbol, step_start, lot, status,"
        " delta_lots_step, volume_lots_step) SELECT 'HOLES', 'venue', 'okx', 'A-PERP',"
        f" {at} + number, 1, if(number = 1, 'complete', 'gap'), if(number = 1, 5, NULL),"
        " if(number = 1, 7, NULL) FROM numbers(4)"
    )
    store.command(
        "INSERT INTO cvd_adjustments_log (asset, venue, symbol, bar_start, step_start, lot,"
        f" delta_lots, volume_lots) SELECT 'HOLES', 'okx', 'A-PERP', {at}, {at} + 3, 1, -2, 2"
    )

    rows = found(
        store,
        "SELECT delta, cvd, volume, seconds_complete FROM"
        " cvd_since(anchor = '2024-01-01 12:00:00') WHERE asset = 'HOLES' AND scope = 'venue'"
        " ORDER BY step_start",
    )

    assert [tuple(row.values()) for row in rows] == [
        (None, 0, 0, 0),
        (5, 5, 7, 1),
        (None, 5, 7, 1),
        (-2, 3, 9, 1),
    ]


def test_an_anchor_inside_a_second_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match="anchor must be a whole second"):
        store.query("SELECT * FROM cvd_since(anchor = '2024-01-01 12:00:00.5')")


def test_venues_are_beside_their_aggregate(store: Store, market: Worked) -> None:
    rows = found(store, f"SELECT * FROM venue_comparison WHERE asset = '{market.asset}'")

    assert {row["scope"] for row in rows} == {"perp", "spot"}
    finals = [row for row in rows if row["is_final"]]
    assert len(finals) >= 5 * 10
    for row in finals:
        start_us = round(row["minute_start"].timestamp()) * SECOND
        part = market.run.bar(
            scope=Scope.VENUE, venue=row["venue"], symbol=row["symbol"], bar_start_us=start_us
        )
        whole = market.run.bar(scope=Scope(row["scope"]), bar_start_us=start_us)
        volume, all_volume = (
            bar.sell_lots + bar.buy_lots + bar.unknown_lots for bar in (part, whole)
        )
        traded = part.sell_lots + part.buy_lots
        assert (row["close"], row["close_all"]) == (
            scaled(part.close_ticks, TICK),
            scaled(whole.close_ticks, TICK),
        )
        assert row["status"] == part.completeness.status.value
        assert (row["volume_all"], row["delta_all"]) == (all_volume * LOT, whole.delta_lots * LOT)
        if row["volume"] is None:
            assert (row["status"], volume, row["delta"]) == ("gap", 0, None)
            continue
        assert (row["volume"], row["delta"]) == (volume * LOT, part.delta_lots * LOT)
        share = pytest.approx(volume / all_volume) if all_volume else None
        assert row["volume_share"] == share
        assert row["delta_share"] == (pytest.approx(part.delta_lots / traded) if traded else None)
        if part.vwap is not None and whole.vwap is not None:
            apart = (part.vwap / whole.vwap - 1) * 10_000
            assert row["vwap_difference_bp"] == pytest.approx(apart, abs=1e-6)


@pytest.mark.parametrize(
    ("view", "column"),
    [
        ("merged_bars(interval_seconds = 900)", "bar_start"),
        ("merged_footprint_rows(interval_seconds = 900)", "bar_start"),
        ("cvd_since(anchor = '2024-01-01 12:00:00')", "step_start"),
        ("venue_comparison", "minute_start"),
    ],
)
def test_filters_on_a_merging_view_reach_days_and_key(
    store: Store, market: Worked, view: str, column: str
) -> None:
    plan = "\n".join(
        row[0]
        for row in store.query(
            f"EXPLAIN indexes = 1 SELECT * FROM {view} WHERE asset = '{market.asset}'"
            f" AND {column} >= '2024-01-01 12:00:00'"
        ).rows
    )

    reads = plan.split("ReadFromMergeTree")[1:]
    assert reads
    for read in reads:
        assert "FINAL: 1" in read
        days, keys = read.split("Min-Max", 1)[1].split("PrimaryKey", 1)
        assert "Condition: true" not in days.split("Partition", 1)[0]
        assert f"asset in ['{market.asset}', '{market.asset}']" in keys
        assert "_start" in keys.split("Condition:", 1)[1]
