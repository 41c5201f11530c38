"""A seeded market over eight feeds: the same seed gives the same events, byte for byte.

Prints are drawn from one stream of random numbers; books, tickers and liquidations follow them
from streams of their own (`simulator.context`), so that asking for those changes no print.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from math import log, sqrt
from random import Random

from runtime.errors import ConfigurationError
from schemas.market import Side
from simulator.catalogue import ASSETS, FEEDS, OPENING_PRICES, listings
from simulator.context import SLOT_US, MarketContext
from simulator.flow import US, AssetFlow, Cascade
from simulator.matching import Matcher, Order
from simulator.model import SimEvent, SimInstrument, SimTrade
from simulator.scenarios.script import Script

_LOOK_AHEAD_US = 50_000

_SHARES = {
    "binance.usdm": 0.35,
    "bybit.linear": 0.19,
    "okx.swap": 0.17,
    "hyperliquid.perp": 0.11,
    "binance.spot": 0.10,
    "bybit.spot": 0.03,
    "okx.spot": 0.03,
    "hyperliquid.spot": 0.02,
}
"""Of the orders on an asset that all feeds list; what one does not list goes to the others."""
_ORDERS_PER_SECOND = {"BTC": 12.0, "ETH": 8.0, "SOL": 5.0, "XRP": 4.0, "BNB": 2.0, "DOGE": 3.0}
_MEDIAN_USD = 700.0
_SIZE_SPREAD = 1.7
_LARGEST_USD = 3e6


class ScriptedMarket:
    """Yields prints of all feeds in time order, for ever; `events` has all else as well.

    Ids count on without holes where the venue's do (Binance USD-M spends some without a fill, and
    says so on its `@trade` stream). They start from `start_us`, so that a market started later
    goes on above an earlier one as long as no instrument prints more than 1,000 a second.

    Args:
        seed: what decides everything.
        assets: base coins, of those in the catalogue.
        start_us: time of opening.
        rate: factor on the base order rate, which is 25 a second over all feeds for the three
            assets of the default.
        feeds: which of them there are; the orders go to those.
        script: what a scenario adds.
        slot_us: how often something happens in the books (`simulator.context`).

    Raises:
        ConfigurationError: an asset that the catalogue does not have, or a rate that is not
            above zero.
    """

    def __init__(
        self,
        seed: int,
        assets: tuple[str, ...] = ASSETS,
        start_us: int = 0,
        *,
        rate: float = 1.0,
        feeds: tuple[str, ...] = FEEDS,
        script: Script | None = None,
        slot_us: int = SLOT_US,
    ) -> None:
        self._seed = seed
        self._script = script or Script()
        self._slot_us = slot_us
        self._random = Random(seed)
        self._now_us = start_us
        self.rate = rate
        self._flows = {
            asset: AssetFlow(
                self._random,
                price=OPENING_PRICES.get(asset, 1.0),
                orders_per_second=_ORDERS_PER_SECOND.get(asset, 1.0),
                now_us=start_us,
                paths=self._script.paths(asset),
            )
            for asset in assets
        }
        listed = {
            asset: [item for item in listings(asset) if item.feed in feeds] for asset in assets
        }
        self._matchers = {
            (item.feed, asset): Matcher(item, self._random, start_us)
            for asset in assets
            for item in listed[asset]
        }
        self._shares = {
            asset: {item.feed: _SHARES[item.feed] for item in listed[asset]} for asset in assets
        }
        self._forced: bool | None = None
        """Of the newest order, whether it closes a position; None where the script has no say."""
        self._context: MarketContext | None = None
        self._pending: deque[SimEvent] = deque()

    @property
    def rate(self) -> float:
        """The factor on the base order rate; may be changed at any time."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if rate <= 0.0:
            raise ConfigurationError(f"the rate of a market must be above zero, was {rate}")
        self._rate = rate

    def instruments(self, feed: str) -> tuple[SimInstrument, ...]:
        """Return the instruments of a feed."""
        return tuple(self._matchers[key].instrument for key in self._matchers if key[0] == feed)

    def cascade(self, cascade: Cascade) -> None:
        """Schedule a cascade; one that should have begun already begins with the next trade.

        Raises:
            ConfigurationError: an unknown asset, no side, or more than 64 at once.
        """
        unknown = set(cascade.assets) - self._flows.keys()
        if unknown or cascade.side is Side.UNKNOWN:
            raise ConfigurationError(f"a cascade needs a side and known assets, not {unknown}")
        for asset in cascade.assets or tuple(self._flows):
            self._flows[asset].add(_not_before(cascade, self._now_us))

    def __iter__(self) -> Iterator[SimTrade]:
        return self

    def __next__(self) -> SimTrade:
        while True:
            event = self._next()
            if isinstance(event, SimTrade):
                return event

    def next_us(self) -> int:
        """Return the time of what comes next without taking it."""
        self._look_ahead()
        return self._pending[0].time_us

    def until(self, time_us: int, most: int) -> list[SimTrade]:
        """Take the prints up to and including a time, at most so many; all else is passed over."""
        taken: list[SimTrade] = []
        while len(taken) < most and self.next_us() <= time_us:
            event = self._pending.popleft()
            if isinstance(event, SimTrade):
                taken.append(event)
        return taken

    def events(self, time_us: int, most: int) -> list[SimEvent]:
        """Take everything up to and including a time in its order, at most so many.

        Books and tickers open with the first call, so a market that is only asked for its prints
        does not pay for them.
        """
        if self._context is None:
            self._context = MarketContext(
                self._seed, self._matchers, self._flows, self._script, self._slot_us
            )
            self._pending.extend(self._context.open(self._now_us))
        taken: list[SimEvent] = []
        while len(taken) < most and self.next_us() <= time_us:
            taken.append(self._pending.popleft())
        return taken

    def _next(self) -> SimEvent:
        self._look_ahead()
        return self._pending.popleft()

    def _look_ahead(self) -> None:
        """Step on until there is something to take."""
        while not self._pending:
            prints = self._step()
            if self._context is None:
                self._pending.extend(prints)
            else:
                self._pending.extend(self._context.pass_time(self._now_us))
                self._pending.extend(self._context.follow(prints, forced=self._forced))

    def _step(self) -> list[SimTrade]:
        """Move to the next candidate time and trade there with the right chance (thinning)."""
        horizon_us = self._now_us + _LOOK_AHEAD_US
        bounds = [flow.highest_intensity(self._rate, horizon_us) for flow in self._flows.values()]
        highest = sum(bounds)
        wait_us = int(self._random.expovariate(highest) * US) + 1
        self._forced = None
        until_scripted_us = self._script.next_us - self._now_us
        if until_scripted_us <= min(wait_us, _LOOK_AHEAD_US):
            self._advance(max(0, until_scripted_us))
            return self._scripted()
        self._advance(min(wait_us, _LOOK_AHEAD_US))
        if wait_us > _LOOK_AHEAD_US:
            return []
        drawn = self._random.random() * highest
        for asset, flow in self._flows.items():
            drawn -= flow.intensity(self._rate)
            if drawn < 0.0:
                return self._order(asset, flow)
        return []

    def _advance(self, by_us: int) -> None:
        self._now_us += by_us
        common = self._random.gauss(0.0, 1.0) * sqrt(by_us / US)
        for flow in self._flows.values():
            flow.advance(self._now_us, common)

    def _scripted(self) -> list[SimTrade]:
        """Let the next order of the script trade; one of what is not there trades nothing."""
        due = self._script.take()
        matcher = self._matchers.get((due.feed, due.asset))
        if matcher is None:
            return []
        self._forced = due.forced
        order = Order(self._now_us, due.side, self._flows[due.asset].price(), due.usd)
        return matcher.trade(order, self._script.walls(matcher.instrument, self._now_us))

    def _order(self, asset: str, flow: AssetFlow) -> list[SimTrade]:
        shares = self._shares[asset]
        feed = self._random.choices(tuple(shares), tuple(shares.values()))[0]
        side = Side.BUY if self._random.random() < flow.buy_probability() else Side.SELL
        drawn = self._random.lognormvariate(log(_MEDIAN_USD), _SIZE_SPREAD)
        notional = min(_LARGEST_USD, drawn * flow.size_factor())
        order = Order(self._now_us, side, flow.price(), notional)
        matcher = self._matchers[feed, asset]
        prints = matcher.trade(order, self._script.walls(matcher.instrument, self._now_us))
        flow.traded(side, notional)
        return prints


def _not_before(cascade: Cascade, now_us: int) -> Cascade:
    if cascade.start_us >= now_us:
        return cascade
    return replace(cascade, start_us=now_us)
