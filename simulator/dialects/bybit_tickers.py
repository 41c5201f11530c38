"""Bybit's tickers: a snapshot, then on linear what has changed, on spot snapshots again.

Source: the venue sheet, section 6; field order from a recording of 2026-08-09. Settled funding
rates are in REST answers alone.
"""

from collections import deque

from schemas.units import US_PER_SECOND
from simulator.dialects.base import Json
from simulator.dialects.bybit_books import PUSH_DELAY_US
from simulator.model import SimInstrument, SimTicker, SimTop, SimTrade, trimmed

MAX_SETTLEMENTS = 200
_FUNDING_CAP = "0.005"
_US_PER_HOUR = 3600 * US_PER_SECOND


class BybitTicker:
    """The ticker of one symbol.

    What it has taken in is pushed by `refresh`; a snapshot is what was pushed last, so that
    snapshot and later changes always add up.
    """

    def __init__(self, instrument: SimInstrument) -> None:
        self._instrument = instrument
        self._spot = instrument.feed.endswith(".spot")
        self._tick = float(instrument.tick)
        self._lot = float(instrument.lot)
        self._ticker: SimTicker | None = None
        self._settlements: deque[tuple[int, str]] = deque(maxlen=MAX_SETTLEMENTS)
        self._top: SimTop | None = None
        self._opening_ticks = self._last_ticks = self._high_ticks = self._low_ticks = 0
        self._tick_direction = "ZeroPlusTick"
        self._volume_lots = 0
        self._turnover = 0.0
        self._pushed: dict[str, str] = {}
        self._pushed_us = 0
        self._pushes = 0

    def take_trade(self, trade: SimTrade, tick_direction: str) -> None:
        """Take in a print."""
        self._set_last(trade.price_ticks)
        self._tick_direction = tick_direction
        self._volume_lots += trade.qty_lots
        self._turnover += trade.price_ticks * self._tick * trade.qty_lots * self._lot

    def take_top(self, top: SimTop) -> None:
        """Take in best prices; the first ones stand for the last price until something trades."""
        self._top = top
        if not self._last_ticks:
            self._set_last(top.bid[0])

    def take_ticker(self, ticker: SimTicker) -> None:
        """Take in mark, index, funding and open interest, and a settlement where one has passed."""
        self._ticker = ticker
        settled_ms = (ticker.next_funding_us - ticker.interval_hours * _US_PER_HOUR) // 1000
        if not self._settlements or self._settlements[-1][0] != settled_ms:
            self._settlements.append((settled_ms, trimmed(f"{ticker.settled_rate:.8f}")))

    def refresh(self, time_us: int) -> dict[str, str]:
        """Return the fields that have changed since the call before, as pushed at a time."""
        fields = self._spot_fields() if self._spot else self._linear_fields()
        changed = {name: text for name, text in fields.items() if self._pushed.get(name) != text}
        if changed:
            self._pushed, self._pushed_us = fields, time_us
            self._pushes += 1
        return changed

    def fields(self) -> dict[str, str]:
        """Return all fields as pushed last, none before the first time."""
        return self._pushed

    def best_fields(self) -> dict[str, str]:
        """Return the best prices, which spot has in REST answers alone."""
        if self._top is None:
            return {}
        item, bid, ask = self._instrument, self._top.bid, self._top.ask
        return {
            "bid1Price": item.price_text(bid[0]),
            "bid1Size": item.qty_text(bid[1]),
            "ask1Price": item.price_text(ask[0]),
            "ask1Size": item.qty_text(ask[1]),
        }

    def settlements(self, start_ms: int, end_ms: int) -> list[Json]:
        """Return the settled rates of a span of time, newest first."""
        symbol = self._instrument.symbol
        return [
            {"symbol": symbol, "fundingRate": rate, "fundingRateTimestamp": str(time_ms)}
            for time_ms, rate in reversed(self._settlements)
            if start_ms <= time_ms <= end_ms
        ]

    def snapshot(self, offset_us: int) -> bytes | None:
        """Write what was pushed last in full, None before the first time."""
        return self._frame("snapshot", self._pushed, offset_us) if self._pushed else None

    def push(self, changed: dict[str, str], offset_us: int) -> bytes:
        """Write what `refresh` has returned: a delta on linear, everything on spot."""
        if self._spot:
            return self._frame("snapshot", self._pushed, offset_us)
        named = {"symbol": self._instrument.symbol} | changed
        return self._frame("delta", named, offset_us)

    def _frame(self, sort: str, fields: dict[str, str], offset_us: int) -> bytes:
        data = ",".join(f'"{name}":"{text}"' for name, text in fields.items())
        ts = (self._pushed_us + PUSH_DELAY_US + offset_us) // 1000
        topic, sequence = f"tickers.{self._instrument.symbol}", 553_000_000_000 + self._pushes * 13
        if self._spot:
            head = f'{{"topic":"{topic}","ts":{ts},"type":"{sort}","cs":{sequence}'
            return f'{head},"data":{{{data}}}}}'.encode()
        head = f'{{"topic":"{topic}","type":"{sort}","data":{{{data}}}'
        return f'{head},"cs":{sequence},"ts":{ts}}}'.encode()

    def _set_last(self, ticks: int) -> None:
        if not self._last_ticks:
            self._opening_ticks = self._high_ticks = self._low_ticks = ticks
        self._last_ticks = ticks
        self._high_ticks = max(self._high_ticks, ticks)
        self._low_ticks = min(self._low_ticks, ticks)

    def _change(self) -> str:
        return trimmed(f"{self._last_ticks / self._opening_ticks - 1.0:.6f}")

    def _linear_fields(self) -> dict[str, str]:
        """Return the fields in the venue's order, none before mark and best prices are known."""
        if self._ticker is None or not self._last_ticks:
            return {}
        item = self._instrument
        opening = item.price_text(self._opening_ticks)
        return {
            "symbol": item.symbol,
            "tickDirection": self._tick_direction,
            "price24hPcnt": self._change(),
            "lastPrice": item.price_text(self._last_ticks),
            "prevPrice24h": opening,
            "highPrice24h": item.price_text(self._high_ticks),
            "lowPrice24h": item.price_text(self._low_ticks),
            "prevPrice1h": opening,
            **self._state_fields(self._ticker),
            **self.best_fields(),
            "preOpenPrice": "",
            "preQty": "",
            "curPreListingPhase": "",
        }

    def _state_fields(self, ticker: SimTicker) -> dict[str, str]:
        item, decimals = self._instrument, self._instrument.price_decimals
        single = ticker.open_interest_lots
        value = float(ticker.mark) * single * self._lot
        return {
            "markPrice": f"{ticker.mark:.{decimals}f}",
            "indexPrice": f"{ticker.index:.{decimals}f}",
            "openInterest": item.qty_text(2 * single),
            "openInterestValue": f"{2.0 * value:.2f}",
            "turnover24h": f"{self._turnover:.4f}",
            "volume24h": f"{self._volume_lots * self._lot:.4f}",
            "fundingIntervalHour": str(ticker.interval_hours),
            "fundingCap": _FUNDING_CAP,
            "singleOpenInterest": item.qty_text(single),
            "singleOpenInterestValue": f"{value:.2f}",
            "nextFundingTime": str(ticker.next_funding_us // 1000),
            "fundingRate": trimmed(f"{ticker.funding_rate:.8f}"),
        }

    def _spot_fields(self) -> dict[str, str]:
        if not self._last_ticks:
            return {}
        item = self._instrument
        last = trimmed(item.price_text(self._last_ticks))
        return {
            "symbol": item.symbol,
            "lastPrice": last,
            "highPrice24h": trimmed(item.price_text(self._high_ticks)),
            "lowPrice24h": trimmed(item.price_text(self._low_ticks)),
            "prevPrice24h": trimmed(item.price_text(self._opening_ticks)),
            "volume24h": f"{self._volume_lots * self._lot:.6f}",
            "turnover24h": f"{self._turnover:.8f}",
            "price24hPcnt": self._change(),
            "usdIndexPrice": last,
        }
