"""A seeded market over seven feeds: the same seed gives the same trades, byte for byte."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import floor, log, sqrt
from random import Random

from runtime.errors import ConfigurationError
from schemas.market import Side
from simulator.catalogue import ASSETS, FEEDS, OPENING_PRICES, instrument
from simulator.flow import BPS, US, AssetFlow, Cascade
from simulator.model import SimInstrument, SimTrade

_LOOK_AHEAD_US = 50_000

_SHARES = {
    "binance.usdm": 0.36,
    "bybit.linear": 0.19,
    "okx.swap": 0.17,
    "hyperliquid.perp": 0.11,
    "binance.spot": 0.11,
    "bybit.spot": 0.03,
    "okx.spot": 0.03,
}
_ORDERS_PER_SECOND = {"BTC": 12.0, "ETH": 8.0, "SOL": 5.0}
_PERPETUAL_BASIS_BPS = -2.5
_BASIS_DEVIATION_BPS = 0.8
_BASIS_SECONDS = 30.0
_MEDIAN_USD = 700.0
_SIZE_SPREAD = 1.7
_LARGEST_USD = 3e6
_LEVEL_USD = 30_000.0
_MOST_LEVELS = 12
_GAP_BPS = 0.12

_RPI_CHANCE = {"binance.usdm": 0.06, "bybit.linear": 0.06, "bybit.spot": 0.04, "okx.swap": 0.04}
_VOID_CHANCE = {"binance.usdm": 0.012}
_BLOCK_CHANCE = {"bybit.linear": 0.0005, "bybit.spot": 0.0005}
_BLOCK_SIZE = 60


class ScriptedMarket:
    """Yields prints of all feeds in time order, for ever.

    Ids count on without holes where the venue's do (Binance USD-M spends some without a fill, and
    says so on its `@trade` stream). They start from `start_us`, so that a market started later
    goes on above an earlier one as long as no instrument prints more than 1,000 a second.

    Args:
        seed: what decides everything.
        assets: base coins, of those in the catalogue.
        start_us: time of opening.
        rate: factor on the base order rate of 25 orders a second over all assets and feeds.

    Raises:
        ConfigurationError: an asset that the catalogue does not have, or a rate that is not
            above zero.
    """

    def __init__(
        self, seed: int, assets: tuple[str, ...] = ASSETS, start_us: int = 0, *, rate: float = 1.0
    ) -> None:
        self._random = Random(seed)
        self._now_us = start_us
        self.rate = rate
        self._flows = {
            asset: AssetFlow(
                self._random,
                price=OPENING_PRICES.get(asset, 1.0),
                orders_per_second=_ORDERS_PER_SECOND.get(asset, 1.0),
                now_us=start_us,
            )
            for asset in assets
        }
        self._books = {
            (feed, asset): _Book(instrument(feed, asset), self._random, start_us)
            for asset in assets
            for feed in FEEDS
        }
        self._pending: deque[SimTrade] = deque()

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
        return tuple(self._books[key].instrument for key in self._books if key[0] == feed)

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
        while not self._pending:
            self._pending.extend(self._step())
        return self._pending.popleft()

    def next_us(self) -> int:
        """Return the time of the next print without taking it."""
        while not self._pending:
            self._pending.extend(self._step())
        return self._pending[0].time_us

    def until(self, time_us: int, most: int) -> list[SimTrade]:
        """Take the prints up to and including a time, at most so many."""
        taken: list[SimTrade] = []
        while len(taken) < most and self.next_us() <= time_us:
            taken.append(self._pending.popleft())
        return taken

    def _step(self) -> list[SimTrade]:
        """Move to the next candidate time and trade there with the right chance (thinning)."""
        horizon_us = self._now_us + _LOOK_AHEAD_US
        bounds = [flow.highest_intensity(self._rate, horizon_us) for flow in self._flows.values()]
        highest = sum(bounds)
        wait_us = int(self._random.expovariate(highest) * US) + 1
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

    def _order(self, asset: str, flow: AssetFlow) -> list[SimTrade]:
        feed = self._random.choices(tuple(_SHARES), tuple(_SHARES.values()))[0]
        side = Side.BUY if self._random.random() < flow.buy_probability() else Side.SELL
        drawn = self._random.lognormvariate(log(_MEDIAN_USD), _SIZE_SPREAD)
        notional = min(_LARGEST_USD, drawn * flow.size_factor())
        order = _Order(self._now_us, side, flow.price(), notional)
        prints = self._books[feed, asset].trade(order)
        flow.traded(side, notional)
        return prints


@dataclass(frozen=True, slots=True)
class _Order:
    time_us: int
    side: Side
    price: float
    notional: float


class _Book:
    """One instrument's venue side: its basis, its ids, and how an order meets the levels."""

    def __init__(self, tradable: SimInstrument, random: Random, start_us: int) -> None:
        self.instrument = tradable
        self._random = random
        self._tick = float(tradable.tick)
        self._lot_coins = float(tradable.lot * tradable.contract)
        self._spot = tradable.feed.endswith(".spot")
        self._basis = 0.0
        self._basis_us = start_us
        self._next_fill_id = start_us // 100
        self._next_print_id = start_us // 1000

    def trade(self, order: _Order) -> list[SimTrade]:
        """Match a taker order and return its prints, best price first."""
        price = order.price * (1.0 + self._basis_at(order.time_us) * BPS)
        bid_ticks = floor(price / self._tick)
        lots = max(1, round(order.notional / price / self._lot_coins))
        tag = self._random.getrandbits(128)
        if self._random.random() < _BLOCK_CHANCE.get(self.instrument.feed, 0.0):
            return [self._print(order, tag, bid_ticks, (lots * _BLOCK_SIZE,), block=True)]
        at_ticks = bid_ticks + 1 if order.side is Side.BUY else bid_ticks
        gap = max(1.0, _GAP_BPS * BPS * price / self._tick)
        prints = []
        for level_lots in self._split(lots, self._levels(order.notional)):
            fills = self._split(level_lots, 1 + int(self._random.expovariate(0.9)))
            prints.append(self._print(order, tag, at_ticks, tuple(fills)))
            at_ticks += int(order.side) * (1 + int(self._random.expovariate(1.0 / gap)))
        return prints

    def _print(
        self, order: _Order, tag: int, ticks: int, fills: tuple[int, ...], *, block: bool = False
    ) -> SimTrade:
        void = self._random.random() < _VOID_CHANCE.get(self.instrument.feed, 0.0)
        first_id = self._next_fill_id + int(void)
        self._next_fill_id = first_id + len(fills)
        self._next_print_id += 1
        return SimTrade(
            instrument=self.instrument,
            time_us=order.time_us,
            side=order.side,
            price_ticks=ticks,
            fills=fills,
            first_id=first_id,
            print_id=self._next_print_id - 1,
            order_tag=tag,
            rpi_fills=0 if block else self._rpi_fills(len(fills)),
            block=block,
            void_before=void,
        )

    def _rpi_fills(self, fills: int) -> int:
        """Say how many fills met RPI orders; only Binance merges both sorts into one print."""
        feed = self.instrument.feed
        if self._random.random() >= _RPI_CHANCE.get(feed, 0.0):
            return 0
        return 1 if feed == "binance.usdm" else fills

    def _levels(self, notional: float) -> int:
        depth = _LEVEL_USD * (0.3 + self._random.expovariate(1.0))
        return min(_MOST_LEVELS, 1 + int(notional / depth))

    def _split(self, lots: int, parts: int) -> list[int]:
        """Cut a quantity into at most so many parts of at least one lot."""
        parts = min(parts, lots, _MOST_LEVELS)
        weights = [self._random.expovariate(1.0) for _ in range(parts)]
        spare, total = lots - parts, sum(weights)
        shares = [1 + int(spare * weight / total) for weight in weights]
        shares[0] += lots - sum(shares)
        return shares

    def _basis_at(self, now_us: int) -> float:
        """Return the venue's offset in basis points: mean-reverting around its kind's."""
        mean = 0.0 if self._spot else _PERPETUAL_BASIS_BPS
        seconds = (now_us - self._basis_us) / US
        self._basis_us = now_us
        keep = 2.0 ** (-seconds / _BASIS_SECONDS)
        noise = _BASIS_DEVIATION_BPS * sqrt(1.0 - keep * keep) * self._random.gauss(0.0, 1.0)
        self._basis = mean + (self._basis - mean) * keep + noise
        return self._basis


def _not_before(cascade: Cascade, now_us: int) -> Cascade:
    if cascade.start_us >= now_us:
        return cascade
    return replace(cascade, start_us=now_us)
