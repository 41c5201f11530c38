"""Records as they lie in the log; every test has an asset of its own, so that all share a store."""

from collections.abc import Sequence
from typing import Any

from schemas.cvd import Cumulative, CvdAdjust, CvdSeries, CvdStep
from schemas.footprints import FootprintBar, Mark, Row, Stack, ValueArea
from schemas.lineage import Completeness, InputRange, Status
from schemas.market import DataSource, FeedState, Kind, Scope, TradeIds
from schemas.trades import TradeBatch, TradeRow
from schemas.units import US_PER_DAY, US_PER_MINUTE

DAY_US = 1_790_000_000_000_000 // US_PER_DAY * US_PER_DAY
"""2026-09-21 00:00 UTC."""


def batch(
    asset: str, rows: Sequence[TradeRow], venue: str = "binance", **changes: Any
) -> TradeBatch:
    fields: dict[str, Any] = {
        "schema": "trades.v1",
        "venue": venue,
        "kind": Kind.LINEAR_PERPETUAL,
        "symbol": f"{asset}-USDT-PERP",
        "venue_symbol": f"{asset}USDT",
        "asset": asset,
        "quote": "USDT",
        "session": "s1",
        "sequence": 0,
        "receive_time_us": DAY_US + 5,
        "watermark_us": DAY_US,
        "feed_state": FeedState.LIVE,
        "tick": "0.1",
        "lot": "0.001",
        "stream": "trade",
        "trade_ids": TradeIds.SEQUENTIAL,
        "source": DataSource.STREAM,
        "rows": list(rows),
    }
    return TradeBatch(**{**fields, **changes})


def trade(number: int, at_us: int | None = None, trade_id: int | str | None = None) -> TradeRow:
    time_us = DAY_US + number * 1000 if at_us is None else at_us
    side = (1, -1, 0)[number % 3]
    return (time_us, 650_000 + number, 10 + number, side, trade_id or number + 1, number % 7)


def bar(asset: str, rows: Sequence[Row] = (), **changes: Any) -> FootprintBar:
    buy, sell = sum(row.buy_lots for row in rows), sum(row.sell_lots for row in rows)
    fields: dict[str, Any] = {
        "asset": asset,
        "scope": Scope.PERP,
        "venue": "",
        "symbol": "",
        "interval_seconds": 60,
        "row_size": "10",
        "row_ticks": 100,
        "tick": "0.1",
        "lot": "0.001",
        "bar_start_us": DAY_US,
        "bar_end_us": DAY_US + US_PER_MINUTE,
        "revision": 1,
        "version": 0,
        "is_final": False,
        "reason": "",
        "method": "footprint/1",
        "params": "p",
        "inputs": [InputRange("md.norm.trades.v1", 3, 5, 9)],
        "log_time_us": DAY_US + 7,
        "completeness": Completeness(
            status=Status.PARTIAL,
            venues_expected=["binance:A", "okx:A"],
            venues_complete=["binance:A"],
            venues_partial=["okx:A"],
            coverage_ms={"binance:A": 60_000, "okx:A": 12},
            feed_states={"binance:A": FeedState.LIVE, "okx:A": FeedState.STALE},
        ),
        "open_ticks": rows[0].row_ticks if rows else None,
        "high_ticks": rows[-1].row_ticks + 50 if rows else None,
        "low_ticks": rows[0].row_ticks if rows else None,
        "close_ticks": rows[-1].row_ticks if rows else None,
        "ref_close_ticks": 649_999,
        "vwap": 65_000.5 if rows else None,
        "buy_lots": buy,
        "sell_lots": sell,
        "unknown_lots": sum(row.unknown_lots for row in rows),
        "excluded_lots": {"adl": 2, "block": 3},
        "delta_lots": buy - sell,
        "delta_min_lots": -4 if rows else None,
        "delta_max_lots": 9 if rows else None,
        "delta_since_high_lots": None,
        "delta_since_low_lots": 1,
        "trades_buy": sum(row.trades_buy for row in rows),
        "trades_sell": sum(row.trades_sell for row in rows),
        "trades_unknown": 0,
        "buy_usd_cents": 12_345,
        "sell_usd_cents": 6_789,
        "rows": list(rows),
        "poc_ticks": rows[0].row_ticks if rows else None,
        "value_areas": {
            "two_row": ValueArea(1, 2, 0.9),
            "single": ValueArea(650_000, 650_100, 0.75),
        }
        if rows
        else {},
        "imbalances_valid": True,
        "stacks": [Stack(1, 650_000, 650_200, 3, 60, 3.5, None)],
        "stacks_h": [],
        "unfinished_high": True,
        "unfinished_low": None,
        "exhaustion_high": False,
        "exhaustion_low": None,
        "ratio_high": 0.5,
        "ratio_low": None,
        "null_reasons": {"delta_since_high_lots": "order_unknown"},
    }
    return FootprintBar(**{**fields, **changes})


def price_rows(count: int = 3) -> list[Row]:
    marks = (Mark.BUY_IMBALANCE | Mark.ZERO_SELL, Mark.SELL_IMBALANCE_H, Mark(0))
    return [
        Row(650_000 + 100 * n, 5 + n, 7 + 2 * n, n, 2, 3, 100 + n, 200 + n, int(marks[n % 3]), n, 1)
        for n in range(count)
    ]


def step(asset: str, at_us: int = DAY_US, **changes: Any) -> CvdStep:
    known = Cumulative(-5, -32_500, 10, 65_000)
    series = CvdSeries(
        scope=Scope.VENUE,
        venue="binance",
        symbol=f"{asset}-USDT-PERP",
        composition="",
        status=Status.COMPLETE,
        step=known,
        day=known,
        anchored=known,
        rolling=[known, known, known, Cumulative(0, 0, 0, 0), None],
        venues=["binance"],
        rolling_venues=[1, 1, 1, 1, 0],
    )
    fields: dict[str, Any] = {
        "asset": asset,
        "step_start_us": at_us,
        "lot": "0.001",
        "anchor_us": DAY_US,
        "revision": 1,
        "is_final": True,
        "method": "cvd/1",
        "params": "p",
        "inputs": [InputRange("md.norm.trades.v1", 3, 5, 9)],
        "log_time_us": at_us + 7,
        "series": [series],
        "adjustments": [
            CvdAdjust(
                venue="binance",
                symbol=f"{asset}-USDT-PERP",
                bar_start_us=at_us - US_PER_MINUTE,
                delta_lots=3,
                delta_usd_cents=19_500,
                volume_lots=3,
                volume_usd_cents=19_500,
                trades=1,
            )
        ],
    }
    return CvdStep(**{**fields, **changes})
