"""The order books of the scripted market: they follow its prices and are eaten by its prints.

A book has about 150 to 180 levels a side, one tick apart at the best prices and then thinning
out over some 40 basis points. Ten times a second it is quoted anew around the venue's fair price
and some of its levels change; what a print took is gone until then.
"""

from collections.abc import Sequence
from math import floor, log
from random import Random

from schemas.market import Side
from simulator.flow import BPS
from simulator.ladder import WatchedLadder
from simulator.model import SimBookUpdate, SimInstrument, SimTop, SimTrade
from simulator.scenarios.walls import Standing, held_bid

LEAST_LEVELS = 150
MOST_LEVELS = 180
_GAP_BPS = 0.25
_LEVEL_USD = 9_000.0
_BEST_FACTOR = 3.0
_SIZE_SPREAD = 1.1
_NEAR_LEVELS = 12.0
_CHANGES = 11.0
_REMOVED = 0.22
_ADDED = 0.25
_WIDE = 0.12


class Book:
    """One instrument's book.

    Args:
        tradable: whose book.
        random: the source of randomness that all books share.
        price: the fair price at its opening, in quote coins.
    """

    def __init__(self, tradable: SimInstrument, random: Random, price: float) -> None:
        self.instrument = tradable
        self._random = random
        self._tick = float(tradable.tick)
        self._gap = max(1.0, _GAP_BPS * BPS * price / self._tick)
        self._usual_lots = log(_LEVEL_USD / price / float(tradable.lot * tradable.contract))
        self._bids = WatchedLadder(bids=True)
        self._asks = WatchedLadder(bids=False)
        self._number = 1
        self._walls: Sequence[Standing] = ()
        self._shown: tuple[tuple[int, int], tuple[int, int]] | None = None
        self._quote(floor(price / self._tick))
        self._resize()

    @property
    def mid(self) -> float:
        """The middle of the best prices, in quote coins."""
        return (self._bids.best()[0] + self._asks.best()[0]) / 2.0 * self._tick

    def renew(self, price: float, walls: Sequence[Standing] = ()) -> None:
        """Quote around a fair price and change some levels, as market makers do in 100 ms.

        Walls are put back to their size, and taken away once they are no longer among `walls`.
        """
        bid_ticks = held_bid(floor(price / self._tick), walls)
        if self._bids.best()[0] != bid_ticks or self._asks.best()[0] - bid_ticks > self._gap:
            self._quote(bid_ticks)
        for _ in range(4 + int(self._random.expovariate(1.0 / _CHANGES))):
            self._change(self._bids if self._random.random() < 0.5 else self._asks)
        self._stand(walls)
        self._resize()

    def touch(self) -> None:
        """Change the quantity at one of the best prices."""
        side = self._bids if self._random.random() < 0.5 else self._asks
        price_ticks, lots = side.best()
        side.put(price_ticks, max(1, round(lots * self._random.uniform(0.6, 1.5))))

    def eat(self, trade: SimTrade) -> None:
        """Take off what a print filled; better levels and those it crosses were not there.

        Hidden orders and block trades take nothing.
        """
        if trade.block:
            return
        buys = trade.side is Side.BUY
        own, other = (self._asks, self._bids) if buys else (self._bids, self._asks)
        at_ticks = trade.price_ticks
        own.retreat(at_ticks)
        other.retreat(own.worse(at_ticks, -1))
        visible = sum(trade.fills[trade.rpi_fills :])
        own.put(at_ticks, max(0, own.lots(at_ticks) - visible))
        if not own or not other:
            self._quote(at_ticks - 1 if buys else at_ticks)

    def top(self, time_us: int) -> SimTop | None:
        """Return the best prices if they differ from those returned before."""
        shown = self._bids.best(), self._asks.best()
        if shown == self._shown:
            return None
        self._shown = shown
        return SimTop(self.instrument, time_us, self._number, *shown)

    def update(self, time_us: int) -> SimBookUpdate | None:
        """Return what has changed since the update before, None where nothing has."""
        bids, asks = self._bids.take_changes(), self._asks.take_changes()
        if not bids and not asks:
            return None
        self._number += 1
        return SimBookUpdate(self.instrument, time_us, self._number - 1, bids, asks)

    def _stand(self, walls: Sequence[Standing]) -> None:
        """Take walls away that are gone, and put those that are left back to their size."""
        for wall in self._walls:
            if wall not in walls:
                (self._bids if wall.side is Side.BUY else self._asks).put(wall.price_ticks, 0)
        for wall in walls:
            if wall.side is Side.BUY and wall.price_ticks < self._asks.best()[0]:
                self._bids.put(wall.price_ticks, wall.lots)
            elif wall.side is Side.SELL and wall.price_ticks > self._bids.best()[0]:
                self._asks.put(wall.price_ticks, wall.lots)
        self._walls = walls

    def _quote(self, bid_ticks: int) -> None:
        """Put the best bid there and the best ask one tick above, rarely more."""
        wide = self._random.random() < _WIDE
        ask_ticks = bid_ticks + 1 + (int(self._random.expovariate(1.0 / self._gap)) if wide else 0)
        self._bids.retreat(bid_ticks)
        self._asks.retreat(ask_ticks)
        for side, price_ticks in ((self._bids, bid_ticks), (self._asks, ask_ticks)):
            if not side.lots(price_ticks):
                side.put(price_ticks, self._size(_BEST_FACTOR))

    def _change(self, side: WatchedLadder) -> None:
        """Add, take away or resize a level, most often one near the best."""
        drawn = self._random.random()
        number = int(self._random.expovariate(1.0 / _NEAR_LEVELS))
        if drawn < _ADDED:
            ticks = 1 + int(self._random.expovariate(1.0 / (_NEAR_LEVELS * self._gap)))
            side.put(side.worse(side.best()[0], ticks), self._size())
            return
        price_ticks, _ = side.level(min(number, len(side) - 1))
        removed = drawn < _ADDED + _REMOVED and number > 0
        side.put(price_ticks, 0 if removed else self._size(1.0 if number else _BEST_FACTOR))

    def _resize(self) -> None:
        """Deepen what has become too shallow, cut what has become too deep."""
        for side in (self._bids, self._asks):
            while len(side) < LEAST_LEVELS:
                ticks = 1 + int(self._random.expovariate(1.0 / max(0.2, self._gap - 1.0)))
                price_ticks = side.worse(side.level(len(side) - 1)[0], ticks)
                side.put(price_ticks, self._size())
            while len(side) > MOST_LEVELS:
                side.put(side.level(len(side) - 1)[0], 0)

    def _size(self, factor: float = 1.0) -> int:
        return max(1, int(factor * self._random.lognormvariate(self._usual_lots, _SIZE_SPREAD)))
