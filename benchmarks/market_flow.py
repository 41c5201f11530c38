"""The scripted market at so many times the rates that were recorded, for the load benchmarks.

`BTC_RATES` is what one second of BTC brings, in frames. Recorded: Binance 2024-08-08 (USD-M trades
are the 61.8 fills a second merged as `aggTrade` merges them), Bybit 2026-08-09 (the busier of BTC
and SOL), OKX spot 2022-05-13 (taken for the swap as well), Hyperliquid 2025-01-26. No recording has
the best prices of Bybit, OKX and Hyperliquid or the context of OKX and Hyperliquid; those are
guesses, marked below. Other assets trade and change their best prices less, by the weights of the
scripted market; books and tickers come at a fixed pace whatever the asset.

Books and tickers reach a multiple of their rate because the market's time runs so much faster;
trades by the market's rate (as many in all as recorded, spread over the venues in its own way);
best prices because changes are put in or left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from simulator.catalogue import FEEDS, LISTED_ASSETS
from simulator.market import ScriptedMarket
from simulator.model import SimEvent, SimInstrument, SimTop

START_US = 1_800_000_000_000_000
STEP_US = 20_000
"""Market time that is made at once."""

WEIGHTS = {"BTC": 1.0, "ETH": 0.67, "SOL": 0.42, "XRP": 0.33, "BNB": 0.17, "DOGE": 0.25}

_GUESSED_TOPS = 40.0
BTC_RATES: dict[str, dict[str, float]] = {
    "binance.usdm": {"trades": 23.7, "book": 10.0, "top": 191.7, "ticker": 1.0},
    "binance.spot": {"trades": 28.2, "book": 10.0, "top": 81.0},
    "bybit.linear": {"trades": 1.5, "book": 9.9, "top": _GUESSED_TOPS, "ticker": 4.5},
    "bybit.spot": {"trades": 0.3, "book": 7.1, "top": _GUESSED_TOPS / 2},
    "okx.swap": {"trades": 7.0, "book": 9.2, "top": _GUESSED_TOPS, "ticker": 4.0},
    "okx.spot": {"trades": 7.0, "book": 9.2, "top": _GUESSED_TOPS},
    "hyperliquid.perp": {"trades": 0.4, "book": 1.8, "top": 5.0, "ticker": 1.0},
}
"""Frames a second by feed and channel."""

_SCALED = ("trades", "top")
_MARKET_ORDERS = 12.0
"""Orders a second of BTC over all feeds at a market's rate of 1."""


def recorded(feed: str, channel: str) -> float:
    """Return the frames a second of one channel for BTC, 0 where nothing is known of the feed."""
    return BTC_RATES.get(feed, {}).get(channel, 0.0)


def expected(feed: str, channel: str) -> float:
    """Return the frames a second of one channel of a feed over all assets, as recorded."""
    rate = recorded(feed, channel)
    return rate * (sum(WEIGHTS.values()) if channel in _SCALED else len(WEIGHTS))


@dataclass
class MarketFlow:
    """The market's events at recorded rates, in steps of its own time."""

    now_us: int = START_US
    market: ScriptedMarket = field(init=False)
    _tops: dict[SimInstrument, SimTop] = field(default_factory=dict, init=False)
    _owed: dict[SimInstrument, float] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        trades = sum(rates["trades"] for rates in BTC_RATES.values())
        rate = trades / _MARKET_ORDERS
        self.market = ScriptedMarket(1, LISTED_ASSETS, self.now_us, rate=rate)

    def step(self) -> dict[str, list[SimEvent]]:
        """Return what happens in the next step, by feed."""
        self.now_us += STEP_US
        by_feed: dict[str, list[SimEvent]] = {feed: [] for feed in FEEDS}
        for event in self.market.events(self.now_us, 1_000_000):
            if not isinstance(event, SimTop) or self._is_due(event):
                by_feed[event.instrument.feed].append(event)
        for tradable in self._tops:
            by_feed[tradable.feed] += self._more_tops(tradable)
        return by_feed

    def _is_due(self, top: SimTop) -> bool:
        """Note a change of the best prices; it is left out where there were too many already."""
        self._tops[top.instrument] = top
        owed = self._owed.get(top.instrument, 0.0)
        is_due = owed >= 0.0
        self._owed[top.instrument] = owed - is_due
        return is_due

    def _more_tops(self, tradable: SimInstrument) -> Iterator[SimEvent]:
        """Change the quantity at the best bid as often as the recorded rate is short of."""
        rate = recorded(tradable.feed, "top") * WEIGHTS[tradable.asset]
        owed = self._owed[tradable] + rate * STEP_US / 1e6
        while owed >= 1.0:
            owed -= 1.0
            top = self._tops[tradable]
            price_ticks, lots = top.bid
            bid = (price_ticks, lots + 1 if lots % 2 else lots - 1)
            self._tops[tradable] = top = replace(top, time_us=self.now_us, bid=bid)
            yield top
        self._owed[tradable] = owed
