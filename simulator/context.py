"""What happens around the prints of the scripted market: books, best prices, tickers, force.

Time passes in slots of 10 ms. In each of them a few best prices change, a tenth of the books is
renewed, and what has changed is said: best prices first, then the updates. What belongs to a slot
is therefore decided by its time alone, not by how the market's events are taken.
"""

from collections.abc import Mapping, Sequence
from random import Random

from simulator.books import Book
from simulator.flow import AssetFlow
from simulator.liquidations import Liquidations
from simulator.matching import Matcher
from simulator.model import SimEvent, SimTrade
from simulator.scenarios.script import Script
from simulator.tickers import Ticker

SLOT_US = 10_000
UPDATE_SLOTS = 10
TICKER_SLOTS = 100
_TOUCHES = 0.1

Key = tuple[str, str]
"""Feed and asset."""


class MarketContext:
    """The books of all feeds and the tickers of all perpetuals.

    Args:
        seed: what decides them.
        matchers: the market's venues, by feed and asset.
        flows: its assets.
        script: what a scenario adds.
        slot_us: how long a slot is; longer ones make the market cheaper and its books slower.
    """

    def __init__(
        self,
        seed: int,
        matchers: Mapping[Key, Matcher],
        flows: Mapping[str, AssetFlow],
        script: Script,
        slot_us: int = SLOT_US,
    ) -> None:
        self._book_random = Random(f"{seed} books")
        self._ticker_random = Random(f"{seed} tickers")
        self._liquidations = Liquidations(seed)
        self._matchers = matchers
        self._flows = flows
        self._script = script
        self._slot_us = slot_us
        self._ticker_slots = max(1, TICKER_SLOTS * SLOT_US // slot_us)
        self._slot = 0
        self._books: dict[Key, Book] = {}
        self._tickers: dict[Key, Ticker] = {}
        self._order: list[Book] = []
        self._phases: list[list[tuple[Key, Book]]] = []
        self._stirred: dict[Book, None] = {}
        """Books whose best prices may have changed, in the order in which that happened."""

    def open(self, now_us: int) -> list[SimEvent]:
        """Open all books and tickers; the first update of a book is the whole of it."""
        self._slot = now_us // self._slot_us
        for key, matcher in self._matchers.items():
            price = self._fair_price(key, now_us)
            self._books[key] = Book(matcher.instrument, self._book_random, price)
            if not key[0].endswith(".spot"):
                self._tickers[key] = Ticker(matcher.instrument, self._ticker_random, price, now_us)
        self._order = list(self._books.values())
        items = list(self._books.items())
        self._phases = [items[phase::UPDATE_SLOTS] for phase in range(UPDATE_SLOTS)]
        self._stirred = dict.fromkeys(self._order)
        return [*self._tops(now_us), *self._updates(self._order, now_us), *self._report(now_us)]

    def pass_time(self, now_us: int) -> list[SimEvent]:
        """Go through the slots that have begun by a time; the market has come to it already."""
        events: list[SimEvent] = []
        while (self._slot + 1) * self._slot_us <= now_us:
            self._slot += 1
            events += self._pass_slot(self._slot * self._slot_us)
        return events

    def follow(self, prints: Sequence[SimTrade], *, forced: bool | None = None) -> list[SimEvent]:
        """Let an order's prints eat from their book; return them and what they liquidated.

        Args:
            prints: of one order.
            forced: whether it closes a position; None lets the market decide.
        """
        if not prints:
            return []
        tradable = prints[0].instrument
        key = tradable.feed, tradable.asset
        book = self._books[key]
        for trade in prints:
            book.eat(trade)
        self._stirred[book] = None
        if forced is None:
            liquidations = self._liquidations.of(prints, self._flows[tradable.asset])
        else:
            liquidations = self._liquidations.all_of(prints) if forced else []
        for item in liquidations:
            self._tickers[key].close_position(item.qty_lots)
        return [*prints, *liquidations]

    def _pass_slot(self, now_us: int) -> list[SimEvent]:
        random = self._book_random
        for _ in range(int(len(self._order) * _TOUCHES * 2.0 * random.random() + 0.5)):
            book = self._order[int(len(self._order) * random.random())]
            book.touch()
            self._stirred[book] = None
        renewed = self._phases[self._slot % UPDATE_SLOTS]
        for key, book in renewed:
            walls = self._script.walls(book.instrument, now_us)
            book.renew(self._fair_price(key, now_us), walls)
            self._stirred[book] = None
        events = [*self._tops(now_us), *self._updates([book for _, book in renewed], now_us)]
        if self._slot % self._ticker_slots == 0:
            events += self._report(now_us)
        return events

    def _tops(self, now_us: int) -> list[SimEvent]:
        tops = [top for book in self._stirred if (top := book.top(now_us)) is not None]
        self._stirred.clear()
        return list(tops)

    def _updates(self, books: Sequence[Book], now_us: int) -> list[SimEvent]:
        return [update for book in books if (update := book.update(now_us)) is not None]

    def _report(self, now_us: int) -> list[SimEvent]:
        index = {asset: self._index(asset) for asset in self._flows}
        closed = {asset: self._script.closed(asset, now_us) for asset in self._flows}
        told: list[SimEvent] = []
        for key, ticker in self._tickers.items():
            ticker.shrink(closed[key[1]])
            told.append(ticker.at(now_us, self._books[key].mid, index[key[1]]))
        return told

    def _index(self, asset: str) -> float:
        mids = [
            book.mid
            for (feed, name), book in self._books.items()
            if name == asset and feed.endswith(".spot")
        ]
        return sum(mids) / len(mids) if mids else self._flows[asset].price()

    def _fair_price(self, key: Key, now_us: int) -> float:
        return self._matchers[key].fair_price(self._flows[key[1]].price(), now_us)
