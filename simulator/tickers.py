"""Mark, index, funding and open interest of the scripted market's perpetuals."""

from decimal import Decimal
from random import Random

from simulator.flow import US
from simulator.model import SimInstrument, SimTicker

_HOUR_US = 3_600 * US
_INTERVAL_HOURS = {"hyperliquid.perp": 1}
_USUAL_INTERVAL_HOURS = 8
_USUAL_FUNDING = 1e-4  # in eight hours
_MOST_FUNDING = 7.5e-4
_FUNDING_STEP = 1e-6
_FUNDING_HOME = 0.001
_OPEN_INTEREST_USD = {"BTC": 2.5e9, "ETH": 1.5e9, "SOL": 6e8, "XRP": 4e8, "BNB": 2e8, "DOGE": 2e8}
_OTHER_OPEN_INTEREST_USD = 1e8
_OPEN_INTEREST_STEP = 4e-5


class Ticker:
    """The state of one perpetual.

    Args:
        tradable: the perpetual.
        random: the source of randomness that all tickers share.
        price: its price at the opening, in quote coins.
        now_us: time of opening.
    """

    def __init__(self, tradable: SimInstrument, random: Random, price: float, now_us: int) -> None:
        self._instrument = tradable
        self._random = random
        self._tick = float(tradable.tick)
        self._hours = _INTERVAL_HOURS.get(tradable.feed, _USUAL_INTERVAL_HOURS)
        self._funding = _USUAL_FUNDING * random.uniform(0.3, 1.4)
        self._settled = self._rate(_USUAL_FUNDING * random.uniform(0.3, 1.4))
        self._next_funding_us = self._settlement_after(now_us)
        usd = _OPEN_INTEREST_USD.get(tradable.asset, _OTHER_OPEN_INTEREST_USD)
        coins = usd * random.uniform(0.7, 1.3) / price
        self._open_interest = coins / float(tradable.lot * tradable.contract)

    def close_position(self, qty_lots: int) -> None:
        """Take a liquidated position out of the open interest."""
        self._open_interest = max(1.0, self._open_interest - qty_lots)

    def shrink(self, share: float) -> None:
        """Let owners close a share of all positions."""
        self._open_interest = max(1.0, self._open_interest * (1.0 - share))

    def at(self, time_us: int, mid: float, index: float) -> SimTicker:
        """Move on by a second; mark and index are on the instrument's price grid."""
        self._open_interest *= 1.0 + self._random.gauss(0.0, _OPEN_INTEREST_STEP)
        self._funding += _FUNDING_HOME * (_USUAL_FUNDING - self._funding)
        self._funding += self._random.gauss(0.0, _FUNDING_STEP)
        self._funding = min(_MOST_FUNDING, max(-_MOST_FUNDING, self._funding))
        if time_us >= self._next_funding_us:
            self._settled = self._rate(self._funding)
            self._next_funding_us = self._settlement_after(time_us)
        return SimTicker(
            instrument=self._instrument,
            time_us=time_us,
            mark=self._on_grid(mid * (1.0 + self._random.gauss(0.0, 2e-6))),
            index=self._on_grid(index),
            funding_rate=self._rate(self._funding),
            settled_rate=self._settled,
            next_funding_us=self._next_funding_us,
            interval_hours=self._hours,
            open_interest_lots=round(self._open_interest),
        )

    def _settlement_after(self, time_us: int) -> int:
        interval_us = self._hours * _HOUR_US
        return (time_us // interval_us + 1) * interval_us

    def _rate(self, in_eight_hours: float) -> Decimal:
        scaled = in_eight_hours * self._hours / _USUAL_INTERVAL_HOURS
        return Decimal(round(scaled * 10**8)).scaleb(-8)

    def _on_grid(self, price: float) -> Decimal:
        return round(price / self._tick) * self._instrument.tick
