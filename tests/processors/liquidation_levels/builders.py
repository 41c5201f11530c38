"""Minutes of bars and open interest, as estimates of positions are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from processors.seconds.second import Second
from schemas.footprints import FootprintBar, Row
from schemas.lineage import Completeness, Status
from schemas.market import Scope
from tests.processors.context.builders import MINUTE_US, at, ticker
from tests.processors.seconds.builders import ASSET, BINANCE, LIVE, There, member, second

ROW = 100
"""Ticks of a row of the tests' asset."""

Traded = Mapping[int, tuple[int, int]]
"""Sell and buy lots by row."""


@dataclass(frozen=True)
class Range:
    """The prices of a bar, in ticks."""

    high: int
    low: int
    close: int


def bar(
    minute: int,
    traded: Traded,
    prices: Range | None = None,
    *,
    scope: Scope = Scope.PERP,
    interval_seconds: int = 60,
    row_ticks: int = ROW,
    status: Status = Status.COMPLETE,
    null_reasons: dict[str, str] | None = None,
    ref_close_ticks: int | None = None,
    unknown_lots: int = 0,
) -> FootprintBar:
    """Return the bar of a minute after noon; its prices are by default those of its rows."""
    if prices is None and traded:
        prices = Range(max(traded) + ROW - 1, min(traded), max(traded))
    sell = sum(one for one, _ in traded.values())
    buy = sum(one for _, one in traded.values())
    rows = [Row(row, *traded[row], 0, 1, 1, 0, 0) for row in sorted(traded)]
    return FootprintBar(
        asset=ASSET, scope=scope, venue="", symbol="", interval_seconds=interval_seconds,
        row_size="1", row_ticks=row_ticks, tick="0.01", lot="0.001",
        bar_start_us=at(60 * minute), bar_end_us=at(60 * minute) + MINUTE_US, revision=1, version=1,
        is_final=True, reason="", method="footprint/1.1.0", params="", inputs=[], log_time_us=0,
        completeness=Completeness(
            status=status, venues_expected=[], venues_complete=[], venues_partial=[],
            coverage_ms={}, feed_states={},
        ),
        open_ticks=None, high_ticks=prices.high if prices else None,
        low_ticks=prices.low if prices else None, close_ticks=prices.close if prices else None,
        ref_close_ticks=ref_close_ticks, vwap=None, buy_lots=buy, sell_lots=sell,
        unknown_lots=unknown_lots, excluded_lots={}, delta_lots=buy - sell, delta_min_lots=None,
        delta_max_lots=None, delta_since_high_lots=None, delta_since_low_lots=None, trades_buy=1,
        trades_sell=1, trades_unknown=0, buy_usd_cents=0, sell_usd_cents=0, rows=rows,
        poc_ticks=None, value_areas={}, imbalances_valid=True, stacks=[], stacks_h=[],
        unfinished_high=None, unfinished_low=None, exhaustion_high=None, exhaustion_low=None,
        ratio_high=None, ratio_low=None, null_reasons=null_reasons or {},
    )  # fmt: skip


def end_of(minute: int, interest: float | None, *bars: FootprintBar, there: There = LIVE) -> Second:
    """Return the second that ends a minute, with the open interest observed in it, in coins."""
    number = 60 * minute + 59
    newest = None if interest is None else ticker(number, str(interest), instrument=BINANCE)
    return second(number, member(ticker=newest, there=there), bars=list(bars))


def minutes(*what: tuple[float | None, FootprintBar | None]) -> Sequence[Second]:
    """Return the ends of minutes from noon on: open interest in coins, and the bar."""
    return [
        end_of(minute, interest, *([made] if made else []))
        for minute, (interest, made) in enumerate(what)
    ]
