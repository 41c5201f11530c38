"""How a venue matches a taker order: levels, fills, hidden liquidity and the ids it gives them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, sqrt
from random import Random

from schemas.market import Side
from simulator.flow import BPS, US
from simulator.model import SimInstrument, SimTrade
from simulator.scenarios.walls import Standing, held_bid, held_price

PERPETUAL_BASIS_BPS = -2.5
_BASIS_DEVIATION_BPS = 0.8
_BASIS_SECONDS = 30.0
_LEVEL_USD = 30_000.0
_MOST_LEVELS = 12
_GAP_BPS = 0.12

_RPI_CHANCE = {"binance.usdm": 0.06, "bybit.linear": 0.06, "bybit.spot": 0.04, "okx.swap": 0.04}
_VOID_CHANCE = {"binance.usdm": 0.012}
_BLOCK_CHANCE = {"bybit.linear": 0.0005, "bybit.spot": 0.0005}
_BLOCK_SIZE = 60


@dataclass(frozen=True, slots=True)
class Order:
    """What one taker wants: the efficient price at its time and a notional in quote coins."""

    time_us: int
    side: Side
    price: float
    notional: float


class Matcher:
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

    def fair_price(self, price: float, now_us: int) -> float:
        """Return where this venue is expected to quote at an efficient price."""
        mean = self._mean_basis()
        seconds = (now_us - self._basis_us) / US
        basis: float = mean + (self._basis - mean) * 2.0 ** (-seconds / _BASIS_SECONDS)
        return price * (1.0 + basis * BPS)

    def trade(self, order: Order, walls: Sequence[Standing] = ()) -> list[SimTrade]:
        """Match a taker order and return its prints, best price first; none is beyond a wall."""
        price = order.price * (1.0 + self._basis_at(order.time_us) * BPS)
        bid_ticks = held_bid(floor(price / self._tick), walls)
        lots = max(1, round(order.notional / price / self._lot_coins))
        tag = self._random.getrandbits(128)
        if self._random.random() < _BLOCK_CHANCE.get(self.instrument.feed, 0.0):
            return [self._print(order, tag, bid_ticks, (lots * _BLOCK_SIZE,), block=True)]
        at_ticks = bid_ticks + 1 if order.side is Side.BUY else bid_ticks
        gap = max(1.0, _GAP_BPS * BPS * price / self._tick)
        prints = []
        for level_lots in self._split(lots, self._levels(order.notional)):
            fills = self._split(level_lots, 1 + int(self._random.expovariate(0.9)))
            at_ticks = held_price(at_ticks, order.side, walls)
            prints.append(self._print(order, tag, at_ticks, tuple(fills)))
            at_ticks += int(order.side) * (1 + int(self._random.expovariate(1.0 / gap)))
        return prints

    def _print(
        self, order: Order, tag: int, ticks: int, fills: tuple[int, ...], *, block: bool = False
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
        mean = self._mean_basis()
        seconds = (now_us - self._basis_us) / US
        self._basis_us = now_us
        keep = 2.0 ** (-seconds / _BASIS_SECONDS)
        noise = _BASIS_DEVIATION_BPS * sqrt(1.0 - keep * keep) * self._random.gauss(0.0, 1.0)
        self._basis = mean + (self._basis - mean) * keep + noise
        return self._basis

    def _mean_basis(self) -> float:
        return 0.0 if self._spot else PERPETUAL_BASIS_BPS
