"""Random seconds of a few instruments whose books live, break off and come back."""

import random
from collections.abc import Iterator

from processors.seconds.second import BookView, MemberSecond, Second
from processors.trades import Trade
from schemas.books import BookBand, TopChange
from schemas.market import FeedState
from schemas.units import US_PER_SECOND
from tests.processors.seconds.builders import (
    BINANCE,
    BINANCE_SPOT,
    BYBIT,
    DOWN,
    LIVE,
    NOON_SECOND,
    OKX,
    There,
    book,
    member,
    second,
    trade,
)

SHOWN = 5
INSTRUMENTS = (BINANCE, BYBIT, OKX, BINANCE_SPOT)


class Market:
    """One instrument: a book deeper than what is shown, and its best prices.

    Args:
        chance: where everything random comes from.
        instrument: venue and symbol.
        calm: 1 for one to which nothing happens, less for one that often breaks off.
    """

    def __init__(self, chance: random.Random, instrument: tuple[str, str], calm: float) -> None:
        self._chance = chance
        self._instrument = instrument
        self._calm = calm
        self._bids = {price: chance.randint(1, 9) for price in range(980, 1000)}
        self._asks = {price: chance.randint(1, 9) for price in range(1001, 1021)}
        self._epoch = 0
        self._broken = False
        self._tops: list[TopChange] = []

    def second(self, number: int) -> MemberSecond:
        """Return its next second."""
        chance = self._chance
        trades: list[Trade] = []
        views: list[BookView] = []
        at_us = 0
        while (at_us := at_us + chance.choice((20_000, 100_000, 130_000))) < US_PER_SECOND:
            self._step(number, at_us, trades)
            if chance.random() < 0.8:
                views.append(self._view(number, at_us))
        there: There = LIVE
        if chance.random() > self._calm:
            there = chance.choice(((700_000, FeedState.LIVE), DOWN))
        if not there[0]:
            views, trades = [], []
        made = member(self._instrument, trades=trades, books=views, there=there)
        if not views and there[0] and not self._broken:
            made.book = self._view(number, 0)
        return made

    def _step(self, number: int, at_us: int, trades: list[Trade]) -> None:
        """Change some levels, some of them by a trade."""
        chance = self._chance
        for _ in range(chance.randint(0, 4)):
            bids = chance.random() < 0.5
            side = self._bids if bids else self._asks
            best = max(side) if bids else min(side)
            price = best + chance.randint(-4, 1) * (1 if bids else -1)
            if price in (self._asks if bids else self._bids):
                continue
            lots = chance.choice((0, 0, *range(1, 10)))
            if side.get(price, 0) > lots and chance.random() < 0.5:
                traded = chance.randint(1, side[price] - lots)
                when_us = max(0, at_us - chance.choice((0, 30_000, 100_000, 140_000)))
                trades.append(trade(number, price, traded, -1 if bids else 1, at_us=when_us))
                trades.sort()
            if lots:
                side[price] = lots
            elif len(side) > 8:
                side.pop(price, None)
            self._note_top(number, at_us)

    def _note_top(self, number: int, at_us: int) -> None:
        bid, ask = max(self._bids), min(self._asks)
        now = (bid, self._bids[bid], ask, self._asks[ask])
        self._tops.append(((NOON_SECOND + number) * US_PER_SECOND + at_us, *now))

    def _view(self, number: int, at_us: int) -> BookView:
        chance = self._chance
        if chance.random() > self._calm:
            self._broken = True
        elif self._broken and chance.random() < 0.5:
            self._broken = False
            self._epoch += 1
        bids = sorted(self._bids.items(), reverse=True)[:SHOWN]
        asks = sorted(self._asks.items())[:SHOWN]
        band: BookBand = (
            10,
            sum(lots for _, lots in bids[:2]),
            sum(lots for _, lots in asks[:2]),
            sum(price * lots for price, lots in bids[:2]),
            sum(price * lots for price, lots in asks[:2]),
            chance.choice((1, 3, 3, 3)),
        )
        tops, self._tops = self._tops, []
        return book(
            number,
            bids,
            asks,
            bands=[band],
            tops=[] if self._broken else tops,
            at_us=at_us,
            epoch=self._epoch,
            valid=not self._broken,
        )


def seconds(seed: int, count: int, calm: float = 0.995, first: int = 0) -> list[Second]:
    """Return seconds from so many after noon, now and then with a jump in time."""
    return list(_seconds(random.Random(seed), count, calm, first))


def _seconds(chance: random.Random, count: int, calm: float, number: int) -> Iterator[Second]:
    markets = [Market(chance, instrument, calm) for instrument in INSTRUMENTS]
    for _ in range(count):
        yield second(number, *(market.second(number) for market in markets))
        number += 1 if chance.random() < 0.99 else chance.randint(2, 5)
