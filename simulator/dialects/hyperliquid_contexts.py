"""The context of a coin on Hyperliquid: funding, open interest, oracle, mark, volumes of the day.

Source: the venue sheet, section 6; fields from a recording of 2026-05. No context has a time.
Days begin with the simulator: `prevDayPx` is the first mark.
"""

from collections import deque
from decimal import Decimal

import msgspec

from schemas.units import US_PER_SECOND, plain
from simulator.dialects.base import Json
from simulator.model import SimInstrument, SimTicker, SimTop, SimTrade, trimmed

DEAD: Json = {
    "funding": "0.0",
    "openInterest": "0.0",
    "prevDayPx": "0.3805",
    "dayNtlVlm": "0.0",
    "premium": None,
    "oraclePx": "0.3805",
    "markPx": "0.3805",
    "midPx": None,
    "impactPxs": None,
    "dayBaseVlm": "0.0",
}
"""The context of a coin that is traded no more."""
_KEPT_HOURS = 500
_US_PER_HOUR = 3600 * US_PER_SECOND
_RATE_DIGITS = 10


class HyperliquidContext:
    """What is known of one coin."""

    def __init__(self, instrument: SimInstrument) -> None:
        self._instrument = instrument
        self._ticker: SimTicker | None = None
        self._top: SimTop | None = None
        self._first_mark = Decimal(0)
        self._traded_lots = 0
        self._traded_units = 0
        self._settled: deque[tuple[int, Json]] = deque(maxlen=_KEPT_HOURS)
        self._next_funding_us = 0

    @property
    def mark(self) -> str:
        """The newest mark price, empty before the first."""
        return "" if self._ticker is None else self._price(self._ticker.mark)

    def take_trade(self, trade: SimTrade) -> None:
        """Add a print to the day's volumes."""
        self._traded_lots += trade.qty_lots
        self._traded_units += trade.qty_lots * trade.price_ticks

    def take_top(self, top: SimTop) -> None:
        """Remember the best prices."""
        self._top = top

    def take(self, ticker: SimTicker) -> None:
        """Take the newest state in, and a settlement where one has passed."""
        if self._ticker is None:
            self._first_mark = ticker.mark
        self._ticker = ticker
        if ticker.next_funding_us == self._next_funding_us:
            return
        self._next_funding_us = ticker.next_funding_us
        time_ms = (ticker.next_funding_us - ticker.interval_hours * _US_PER_HOUR) // 1000
        row: Json = {
            "coin": self._instrument.symbol,
            "fundingRate": _rate(ticker.settled_rate),
            "premium": _rate(_premium(ticker)),
            "time": time_ms,
        }
        self._settled.append((time_ms, row))

    def frame(self) -> bytes | None:
        """Write the context for `activeAssetCtx`, None while there is none."""
        if self._ticker is None:
            return None
        return context_frame(self._instrument.symbol, self.body())

    def body(self) -> Json:
        """Return the context; that of a dead coin while nothing is known."""
        ticker, item = self._ticker, self._instrument
        if ticker is None:
            return DEAD
        return {
            "funding": _rate(ticker.funding_rate),
            "openInterest": _text(ticker.open_interest_lots * item.lot),
            "prevDayPx": self._price(self._first_mark),
            "dayNtlVlm": _text(self._traded_units * item.tick * item.lot),
            "premium": _rate(_premium(ticker)),
            "oraclePx": self._price(ticker.index),
            "markPx": self._price(ticker.mark),
            **self._touch(),
            "dayBaseVlm": _text(self._traded_lots * item.lot),
        }

    def settlements(self, start_ms: int, end_ms: int) -> list[Json]:
        """Return the settled hourly rates, oldest first."""
        return [row for time_ms, row in self._settled if start_ms <= time_ms <= end_ms]

    def _touch(self) -> Json:
        top, tick = self._top, self._instrument.tick
        if top is None or not (top.bid[1] and top.ask[1]):
            return {"midPx": None, "impactPxs": None}
        bid, ask = top.bid[0] * tick, top.ask[0] * tick
        return {"midPx": _text((bid + ask) / 2), "impactPxs": [self._price(bid), self._price(ask)]}

    def _price(self, price: Decimal) -> str:
        return _text(round(price, self._instrument.price_decimals))


def context_frame(coin: str, body: Json) -> bytes:
    """Write a context as a frame."""
    data = {"coin": coin, "ctx": body}
    return msgspec.json.encode({"channel": "activeAssetCtx", "data": data})


def _premium(ticker: SimTicker) -> Decimal:
    return (ticker.mark - ticker.index) / ticker.index


def _rate(rate: Decimal) -> str:
    return trimmed(plain(round(rate, _RATE_DIGITS)), 1)


def _text(value: Decimal) -> str:
    return trimmed(plain(value), 1)
