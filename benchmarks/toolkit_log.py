"""The topics of six assets as `benchmarks.toolkit` reads them: all instruments of `simulator`.

Perpetuals and spot of four venues on their own grids, 45 instruments. Books of every instrument at
one pace, 75 trades for every book (150,000 to 2,000), a ticker and a liquidation a second of every
perpetual. Busy assets trade more, by the weights of the load benchmarks; an order has two
fills on average, at one moment and side.
"""

import random
from collections.abc import Iterator
from math import exp, sin
from typing import Any, NamedTuple

import msgspec

from benchmarks.market_flow import WEIGHTS
from schemas.books import BANDS_BP, BOOKS_SCHEMA, TOP_LEVELS, BookBatch, BookLevel, BookState
from schemas.liquidations import (
    LIQUIDATIONS_SCHEMA,
    LiquidationBatch,
    LiquidationUnit,
    PriceKind,
    SamplingClass,
)
from schemas.market import FeedState, Kind, TradeIds
from schemas.tickers import TICKERS_SCHEMA, TickerBatch
from schemas.topics import BOOKS, LIQUIDATIONS, TICKERS, TRADES
from schemas.trades import TRADES_SCHEMA, TradeBatch, TradeRow
from schemas.units import plain
from simulator.catalogue import LISTED_ASSETS, OPENING_PRICES, listings
from simulator.model import SimInstrument

BATCH = 50
TRADES_PER_BOOK = 75
START_US = 1_704_110_430_000_000
"""Half a minute past a full hour."""
US = 1_000_000

_CHANGES = 10
_NOISE = 0.5e-4
_SWING, _SWING_SECONDS = 1e-3, 15
_MEDIAN_USD = 665.0
_SPREAD = 1.5
"""Sizes of fills are log-normal."""


class Written(NamedTuple):
    """One record of a topic, and how many trades it has."""

    time_us: int
    topic: str
    value: bytes
    trades: int = 0


def write_topics(seconds: int, book_us: int) -> list[Written]:
    """Return the records of all topics in the order of their receipt.

    Args:
        seconds: how many, of log time.
        book_us: the time from one book of an instrument to the next.
    """
    rate = TRADES_PER_BOOK * US / book_us * sum(len(listings(asset)) for asset in LISTED_ASSETS)
    whole = sum(WEIGHTS[asset] for asset in LISTED_ASSETS)
    found: list[Written] = []
    for asset in LISTED_ASSETS:
        tradables = listings(asset)
        own_rate = rate * WEIGHTS[asset] / whole / len(tradables)
        for tradable in tradables:
            found += _Stream(tradable, seconds, book_us).records(own_rate)
    return sorted(found)


class _Stream:
    """Everything that one instrument brings."""

    def __init__(self, tradable: SimInstrument, seconds: int, book_us: int) -> None:
        self._seconds, self._book_us = seconds, book_us
        venue, _, part = tradable.feed.partition(".")
        self._spot = part == "spot"
        self._lot = tradable.lot * tradable.contract
        self._opening = OPENING_PRICES[tradable.asset] / float(tradable.tick)
        self._lots_per_usd = 1 / (OPENING_PRICES[tradable.asset] * float(self._lot))
        self._header: dict[str, Any] = {
            "venue": venue,
            "kind": Kind.SPOT if self._spot else Kind.LINEAR_PERPETUAL,
            "symbol": f"{tradable.asset}-{tradable.quote}{'' if self._spot else '-PERP'}",
            "venue_symbol": tradable.symbol,
            "asset": tradable.asset,
            "quote": tradable.quote,
            "session": f"{venue}/{tradable.symbol}",
            "feed_state": FeedState.LIVE,
        }
        self._grid: dict[str, Any] = {"tick": plain(tradable.tick), "lot": plain(self._lot)}
        self._ids = TradeIds.OPAQUE if venue == "bybit" else TradeIds.SEQUENTIAL
        self._chance = random.Random(f"{tradable.feed}/{tradable.asset}")  # noqa: S311  # seeded

    def records(self, rate: float) -> Iterator[Written]:
        """Yield trades at so many a second, books, and what else a perpetual has."""
        yield from self._trades(rate)
        yield from self._books()
        if not self._spot:
            yield from self._others()

    def _price(self, time_us: int) -> int:
        seconds = (time_us - START_US) / US
        return round(self._opening * (1 + _SWING * sin(seconds / _SWING_SECONDS)))

    def _head(self, sequence: int, time_us: int) -> dict[str, Any]:
        return {
            **self._header,
            "sequence": sequence,
            "receive_time_us": time_us + 40_000,
            "watermark_us": time_us,
        }

    def _trades(self, rate: float) -> Iterator[Written]:
        rows: list[TradeRow] = []
        for sequence in range(int(rate * self._seconds) // BATCH):
            while len(rows) < (sequence + 1) * BATCH:
                rows += self._order(len(rows), rate)
            own = rows[sequence * BATCH : (sequence + 1) * BATCH]
            record = TradeBatch(
                schema=TRADES_SCHEMA,
                stream="trades",
                trade_ids=self._ids,
                rows=own,
                **self._grid,
                **self._head(sequence, own[-1][0]),
            )
            value = msgspec.json.encode(record)
            yield Written(record.receive_time_us, TRADES.name, value, BATCH)

    def _order(self, number: int, rate: float) -> Iterator[TradeRow]:
        """Yield the fills of one order: one, and with even odds another."""
        chance = self._chance
        time_us, side = START_US + int(number / rate * US), chance.choice((1, -1))
        price = self._price(time_us) + round(chance.gauss(0, _NOISE) * self._opening)
        while True:
            usd = _MEDIAN_USD * exp(_SPREAD * chance.gauss(0, 1))
            lots = max(1, round(usd * self._lots_per_usd))
            yield (time_us, price, lots, side, self._id(number), 0)
            number += 1
            if chance.random() < 0.5:
                return
            price += side * (chance.random() < 0.3)

    def _id(self, number: int) -> int | str:
        return number if self._ids is TradeIds.SEQUENTIAL else f"{number:032x}"

    def _books(self) -> Iterator[Written]:
        """Yield books: some sizes change each time."""
        chance = self._chance
        sizes: dict[int, int] = {}
        for sequence in range(self._seconds * US // self._book_us):
            time_us = START_US + (sequence + 1) * self._book_us
            mid = self._price(time_us)
            shown = [n for n in range(mid - TOP_LEVELS, mid + TOP_LEVELS + 1) if n != mid]
            for price in chance.sample(shown, 2 * _CHANGES):
                sizes[price] = chance.randrange(1, 5000)
            levels = [(price, sizes.setdefault(price, price % 4999 + 1)) for price in shown]
            yield self._book(sequence, time_us, levels[TOP_LEVELS - 1 :: -1], levels[TOP_LEVELS:])

    def _book(
        self, sequence: int, time_us: int, bids: list[BookLevel], asks: list[BookLevel]
    ) -> Written:
        record = BookBatch(
            schema=BOOKS_SCHEMA,
            stream="book",
            event_time_us=time_us - 1000,
            update_id=sequence,
            book_epoch=1,
            book_valid=True,
            book_state=BookState.LIVE,
            bids=bids,
            asks=asks,
            bands=[(width, 10**6, 10**6, 10**12, 10**12, 3) for width in BANDS_BP],
            bid_levels=1000,
            ask_levels=1000,
            top_stream="book",
            top_epoch=1,
            tops=[(time_us - 1000, *bids[0], *asks[0])],
            **self._grid,
            **self._head(sequence, time_us),
        )
        return Written(record.receive_time_us, BOOKS.name, msgspec.json.encode(record))

    def _others(self) -> Iterator[Written]:
        """Yield a ticker and a liquidation each second."""
        chance = self._chance
        price = f"{OPENING_PRICES[self._header['asset']]}"
        for sequence in range(self._seconds):
            time_us = START_US + (sequence + 1) * US
            header = self._head(sequence, time_us)
            ticker = TickerBatch(
                schema=TICKERS_SCHEMA,
                stream="ticker",
                mark_price=price,
                mark_time_us=time_us,
                index_price=price,
                index_time_us=time_us,
                open_interest=str(50_000 + chance.randrange(100)),
                open_interest_time_us=time_us,
                **header,
            )
            side = chance.choice((1, -1))
            lots = max(1, round(1000 * self._lots_per_usd))
            liquidations = LiquidationBatch(
                schema=LIQUIDATIONS_SCHEMA,
                lot=self._grid["lot"],
                stream="liquidations",
                price_kind=PriceKind.BANKRUPTCY,
                unit=LiquidationUnit.ORDER,
                sampling_class=SamplingClass.ALL,
                method="stream",
                rows=[(time_us - 500_000, price, lots, side, 0, 0)],
                **header,
            )
            receive_us = ticker.receive_time_us
            yield Written(receive_us, TICKERS.name, msgspec.json.encode(ticker))
            yield Written(receive_us, LIQUIDATIONS.name, msgspec.json.encode(liquidations))
