"""Turn a bar that trades close into its record (definitions 5.1)."""

from typing import NamedTuple

from processors.bars_by_trade.attendance import Attendance
from processors.bars_by_trade.pieces import DELTA, LOTS, NOTIONAL, TRADES, Sums
from processors.bars_by_trade.series import Series, TapeBar
from processors.derived import derived
from processors.seconds.second import Second
from processors.units import AssetUnits
from schemas.bars import BarClose, BarRule, TradeBar
from schemas.units import US_PER_DAY, US_PER_SECOND, round_half_even

METHOD = "bars/1.0.0"


class _Overshoot(NamedTuple):
    """What the closing trade added beyond the threshold, or why that is not known."""

    lots: int | None
    usd_cents: int | None
    null_reasons: dict[str, str]


def _overshoot(lots: int | None, usd_cents: int | None, why: str) -> _Overshoot:
    nulls = {"overshoot_lots": why} if lots is None else {}
    if usd_cents is None:
        nulls["overshoot_usd_cents"] = why
    return _Overshoot(lots, usd_cents, nulls)


_STILL_OPEN = _overshoot(None, None, "still_open")
_BY_THE_DAY = _overshoot(None, None, "closed_by_the_day")
_OTHER = "the_rule_counts_something_else"


class Recorder:
    """Writes the bars of one asset.

    Args:
        units: the asset's grids.
        params: the hash of all parameters.
    """

    def __init__(self, units: AssetUnits, params: str) -> None:
        self._units = units
        self._params = params
        self._per_cent = units.notional_per_cent
        self._price_denominator = units.price_denominator

    def write(
        self, series: Series, bar: TapeBar, until_us: int, second: Second, attendance: Attendance
    ) -> TradeBar:
        """Return the record of a bar that something traded in.

        Args:
            series: the one it is of.
            bar: its numbers.
            until_us: the end of the last second that its life touches.
            second: the one that led to the record.
            attendance: after that last second.
        """
        key, spec, sums, path = series.key, series.spec, bar.sums, bar.path
        trades, lots = _by_side(sums, TRADES), _by_side(sums, LOTS)
        buy_usd_cents, sell_usd_cents, unknown_usd_cents = map(
            self._cents, _by_side(sums, NOTIONAL)
        )
        day_start_us = bar.start_us - bar.start_us % US_PER_DAY
        names = attendance.names(key)
        span_us = until_us - (bar.start_us - bar.start_us % US_PER_SECOND)
        over = self._overshoot(series, bar)
        high, low = path.high, path.low
        if high is None or low is None:
            raise ValueError("a bar without trades has no record")
        return TradeBar(
            **derived(second, METHOD, self._params),
            is_final=bar.closed_by is not BarClose.OPEN,
            scope=key.scope,
            venue=key.venue,
            symbol=key.symbol,
            rule=spec.rule,
            threshold=spec.threshold,
            split=spec.split,
            tick=self._units.tick,
            lot=self._units.lot,
            day_start_us=day_start_us,
            index=bar.index,
            bar_start_us=bar.start_us,
            bar_end_us=until_us if bar.closed_by is BarClose.OPEN else bar.end_us,
            first_trade_time_us=bar.first_us,
            last_trade_time_us=bar.last_us,
            closed_by=bar.closed_by,
            aligned=attendance.covered(names, until_us - day_start_us),
            completeness=attendance.since(bar.before, names, span_us),
            open_ticks=bar.open,
            high_ticks=high,
            low_ticks=low,
            close_ticks=bar.close,
            vwap=sums[NOTIONAL] / (sums[LOTS] * self._price_denominator),
            buy_lots=lots[0],
            sell_lots=lots[1],
            unknown_lots=lots[2],
            delta_lots=sums[DELTA],
            delta_min_lots=path.lowest,
            delta_max_lots=path.highest,
            delta_since_high_lots=path.since_high,
            delta_since_low_lots=path.since_low,
            trades_buy=trades[0],
            trades_sell=trades[1],
            trades_unknown=trades[2],
            buy_usd_cents=buy_usd_cents,
            sell_usd_cents=sell_usd_cents,
            unknown_usd_cents=unknown_usd_cents,
            overshoot_lots=over.lots,
            overshoot_usd_cents=over.usd_cents,
            null_reasons=over.null_reasons,
        )

    def _cents(self, notional: int) -> int:
        return round_half_even(notional, self._per_cent)

    def _overshoot(self, series: Series, bar: TapeBar) -> _Overshoot:
        if bar.closed_by is BarClose.OPEN:
            return _STILL_OPEN
        if bar.closed_by is BarClose.DAY:
            return _BY_THE_DAY
        match series.spec.rule:
            case BarRule.VOLUME:
                return _overshoot(bar.sums[LOTS] - series.limit, None, _OTHER)
            case BarRule.DELTA:
                return _overshoot(abs(bar.sums[DELTA]) - series.limit, None, _OTHER)
            case BarRule.NOTIONAL:
                cents = self._cents(bar.sums[NOTIONAL] - series.limit)
                return _overshoot(None, cents, _OTHER)
        return _overshoot(None, None, _OTHER)


def _by_side(sums: Sums, first: int) -> tuple[int, int, int]:
    """Return buys, sells and those without a side, from all, delta and unknown at a place."""
    every, delta, unknown = sums[first : first + 3]
    buys = (every - unknown + delta) // 2
    return buys, buys - delta, unknown
